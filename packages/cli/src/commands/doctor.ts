import { existsSync } from 'node:fs';
import { createRuntime, memoryStore } from '@troupe/core';
import { messageOf, unfinished } from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import { findModel, foundServers } from '../find-model.ts';
import { isColourful, isInteractive, type Terminal } from '../terminal.ts';
import { again, quoted } from './again.ts';
import { loadAgentFile } from './agent-file.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openStore, storeFileOf } from './open-store.ts';
import { openOutput } from './output.ts';

/** What was looked at, and how it is. `help` is for what is no problem, but could be better. */
type Finding = { check: string; status: 'ok' | 'help' | 'problem'; text: string };

const marks = { ok: '✔', help: '!', problem: '✖' } as const;

/** Looks at everything that commands need. No secret is printed: of a key only whether it is there. */
export const doctor: Action<[file: string | undefined], CommonFlags> = async ({ args: [file], flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const findings = [
    nodeFinding(process.versions.node),
    await storeFinding(flags, terminal),
    ...keyFindings(terminal.environment),
    await serverFinding(),
    await modelFinding(terminal),
    await rehearsalFinding(),
    terminalFinding(terminal),
    ...(file === undefined ? [] : [await fileFinding(file, terminal)]),
  ];
  for (const finding of findings)
    output.give(finding, () => `${marks[finding.status]} ${finding.check.padEnd(10)} ${finding.text}`);
  return findings.some(({ status }) => status === 'problem') ? exitCode.failed : exitCode.done;
};

const [major, minor] = [22, 18];

/** @param version As Node tells it, `24.21.0`. */
export const nodeFinding = (version: string): Finding => {
  const [has = 0, more = 0] = version.split('.').map(Number);
  const check = 'node';
  if (has < major || (has === major && more < 16))
    return { check, status: 'problem', text: `Node ${version} is too old: install Node 22.16 or later.` };
  if (has === major && more < minor)
    return {
      check,
      status: 'help',
      text: `Node ${version}. Agent files in TypeScript need ${major}.${minor} or later.`,
    };
  return { check, status: 'ok', text: `Node ${version}` };
};

const storeFinding = async ({ store: named }: CommonFlags, terminal: Terminal): Promise<Finding> => {
  const check = 'store';
  if (named === false) return { check, status: 'ok', text: 'Nothing is stored (--no-store).' };
  const file = storeFileOf(named, terminal);
  if (!existsSync(file)) return { check, status: 'ok', text: `${file}: none yet, the first "troupe run" makes it.` };
  try {
    const store = openStore(file, false);
    try {
      const open = store.list({ status: unfinished, limit: Number.MAX_SAFE_INTEGER });
      const left = open.filter(({ runId, parentId }) => parentId === undefined && store.holder(runId) === null);
      const text = `${file}: ${open.length} unfinished`;
      if (left.length === 0) return { check, status: 'ok', text: `${text}.` };
      const [{ runId } = { runId: '' }] = left;
      return {
        check,
        status: 'help',
        text: `${text}, ${left.length} executed by nobody: ${again(`resume ${quoted(runId)}`, { file: 'FILE', store: named && file })}`,
      };
    } finally {
      await store.close();
    }
  } catch (error) {
    return { check, status: 'problem', text: messageOf(error) };
  }
};

const keyFindings = ({ OPENAI_API_KEY, OPENAI_BASE_URL }: Terminal['environment']): Finding[] => {
  const address = OPENAI_BASE_URL ? URL.parse(OPENAI_BASE_URL) : undefined;
  const shown = address
    ? `${address.origin}${address.pathname}`
    : 'is no URL: give one, such as http://127.0.0.1:8000/v1';
  return [
    { check: 'key', status: 'ok', text: `OPENAI_API_KEY is ${OPENAI_API_KEY ? 'set' : 'not set'}.` },
    ...(OPENAI_BASE_URL
      ? [
          {
            check: 'address',
            status: address ? ('ok' as const) : ('problem' as const),
            text: `OPENAI_BASE_URL ${shown}`,
          },
        ]
      : []),
  ];
};

const serverFinding = async (): Promise<Finding> => {
  const found = await foundServers();
  const text = found.map(({ name, server }) => `${server} (${name})`).join(', ');
  return { check: 'servers', status: 'ok', text: text === '' ? 'No model server on this machine.' : text };
};

const modelFinding = async ({ environment }: Terminal): Promise<Finding> => {
  const found = await findModel({ env: environment });
  const check = 'model';
  if (found.kind !== 'rehearsal') return { check, status: 'ok', text: `${found.name}, ${found.server}` };
  const text =
    'The rehearsal model, which is no language model. For a real one set OPENAI_API_KEY or OPENAI_BASE_URL, or start a local model server.';
  return { check, status: 'help', text };
};

const rehearsalFinding = async (): Promise<Finding> => {
  const check = 'rehearsal';
  try {
    import.meta.resolve('@copilotkit/aimock');
    return { check, status: 'ok', text: 'The rehearsal model is installed.' };
  } catch {
    return { check, status: 'help', text: 'The rehearsal model needs: npm install @copilotkit/aimock' };
  }
};

const terminalFinding = (terminal: Terminal): Finding => {
  const text = isInteractive(terminal)
    ? `Live tree with keys, ${isColourful(terminal.environment) ? 'in colours' : 'without colours'}.`
    : 'No terminal, or TERM=dumb: plain lines.';
  return { check: 'terminal', status: 'ok', text };
};

const fileFinding = async (shown: string, { folder }: Terminal): Promise<Finding> => {
  const check = 'agents';
  try {
    const { agents, options, close } = await loadAgentFile(shown, folder);
    const nobody = { async *takeTurn() {} };
    const brings = options.provider ?? options.providers;
    // What createRuntime says of the options.
    await createRuntime({ ...(brings ? {} : { provider: nobody }), ...options, store: memoryStore(), agents }).close();
    await close();
    return { check, status: 'ok', text: `${shown}: ${agents.map(({ name }) => name).join(', ')}` };
  } catch (error) {
    return { check, status: 'problem', text: messageOf(error) };
  }
};
