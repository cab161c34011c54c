import { existsSync } from 'node:fs';
import { createRuntime, memoryStore } from '@troupe/core';
import { messageOf, unfinished } from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import { askModels, type FoundModel, findModel, foundServers } from '../find-model.ts';
import { isColourful, isInteractive, type Terminal } from '../terminal.ts';
import { again, quoted } from './again.ts';
import { loadAgentFile } from './agent-file.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openStore, type StorePlace, storePlaceOf } from './open-store.ts';
import { openOutput } from './output.ts';
import { howToShare, isInstalled, sharedPackages } from './packages.ts';

/**
 * What was looked at, and how it is: there, and as it should be; not there, and not needed; no problem, but could be better; in the way of
 * what was set up.
 */
type Finding = { check: string; status: 'ok' | 'none' | 'help' | 'problem'; text: string };

const marks = { ok: '✔', none: '–', help: '!', problem: '✖' } as const;

/** Looks at everything that commands need. No secret is printed: of a key only whether it is there. */
export const doctor: Action<[file: string | undefined], CommonFlags> = async ({ args: [file], flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const { environment } = terminal;
  const model = await findModel({ env: environment });
  const findings = [
    nodeFinding(process.versions.node),
    await storeFinding(flags, terminal),
    sharingFinding(),
    keyFinding(environment),
    ...(await addressFindings(environment)),
    await serverFinding(),
    modelFinding(model, environment),
    rehearsalFinding(model),
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
  try {
    const place = storePlaceOf(named || undefined, terminal);
    if (place.kind === 'file' && !existsSync(place.path))
      return { check, status: 'none', text: `${place.path}: none yet, the first "troupe run" makes it.` };
    return await openRunsIn(place, named ? place.shown : undefined);
  } catch (error) {
    return { check, status: 'problem', text: messageOf(error) };
  }
};

/** How long a database may take to answer. */
const mostMs = 3_000;

/** What has not ended in a store, and what of it nobody executes. */
const openRunsIn = async (place: StorePlace, named: string | undefined): Promise<Finding> => {
  const check = 'store';
  const store = await openStore(place, false, mostMs);
  try {
    const open = await store.list({ status: unfinished, limit: Number.MAX_SAFE_INTEGER });
    const roots = open.filter(({ parentId }) => parentId === undefined);
    const holders = await Promise.all(roots.map(async ({ runId }) => store.holder(runId)));
    const left = roots.filter((_root, i) => holders[i] === null);
    const text = `${place.shown}: ${open.length} unfinished`;
    if (left.length === 0) return { check, status: 'ok', text: `${text}.` };
    const [{ runId } = { runId: '' }] = left;
    return {
      check,
      status: 'help',
      text: `${text}, ${left.length} executed by nobody: ${again(`resume ${quoted(runId)}`, { file: 'FILE', store: named })}`,
    };
  } finally {
    await store.close();
  }
};

/** @param areThere Whether the packages are installed by which machines share runs. */
export const sharingFinding = (areThere = Object.values(sharedPackages).every(isInstalled)): Finding => {
  const check = 'workers';
  const both = `${sharedPackages.store} and ${sharedPackages.placement}`;
  if (areThere) return { check, status: 'ok', text: `${both} are installed: troupe worker --store postgres://…` };
  return { check, status: 'none', text: `No store that several machines share: ${howToShare}` };
};

const keyFinding = ({ OPENAI_API_KEY }: Environment): Finding => {
  const check = 'key';
  if (!OPENAI_API_KEY) return { check, status: 'none', text: 'OPENAI_API_KEY is not set.' };
  return { check, status: 'ok', text: 'OPENAI_API_KEY is set.' };
};

type Environment = Terminal['environment'];

/** The server that the environment names is asked, as a run would ask it. */
const addressFindings = async ({ OPENAI_API_KEY, OPENAI_BASE_URL, TROUPE_MODEL }: Environment): Promise<Finding[]> => {
  if (!OPENAI_BASE_URL) return [];
  const finding = (status: Finding['status'], text: string): Finding[] => [
    { check: 'address', status, text: `OPENAI_BASE_URL ${text}` },
  ];
  const address = URL.parse(OPENAI_BASE_URL);
  if (!address) return finding('problem', 'is no URL: give one, such as http://127.0.0.1:8000/v1');
  const shown = `${address.origin}${address.pathname}`;
  if (TROUPE_MODEL === 'rehearsal')
    return finding('none', `${shown}: not used, TROUPE_MODEL asks for the rehearsal model.`);
  if (address.username || address.password)
    return finding('problem', `${shown}: holds a name or password, which no request can. The key is OPENAI_API_KEY.`);
  const answer = await askModels(OPENAI_BASE_URL, OPENAI_API_KEY);
  if (answer === null) return finding('problem', `${shown} does not answer: start the server, or name another one.`);
  if (answer === 401 || answer === 403)
    return finding(
      'problem',
      `${shown} ${OPENAI_API_KEY ? 'refuses the key: set another OPENAI_API_KEY.' : 'wants a key: set OPENAI_API_KEY.'}`,
    );
  if (answer >= 400) return finding('help', `${shown} answers, but lists no models (HTTP ${answer}).`);
  return finding('ok', `${shown} answers.`);
};

const serverFinding = async (): Promise<Finding> => {
  const found = await foundServers();
  const check = 'servers';
  if (found.length === 0) return { check, status: 'none', text: 'No model server on this machine.' };
  return { check, status: 'ok', text: found.map(({ name, server }) => `${server} (${name})`).join(', ') };
};

const modelFinding = (found: FoundModel, { TROUPE_MODEL }: Environment): Finding => {
  const check = 'model';
  if (found.kind !== 'rehearsal') return { check, status: 'ok', text: `${found.name}, ${found.server}` };
  const how = 'set OPENAI_API_KEY or OPENAI_BASE_URL, or start a local model server.';
  if (TROUPE_MODEL && TROUPE_MODEL !== 'rehearsal')
    return {
      check,
      status: 'problem',
      text: `TROUPE_MODEL names "${TROUPE_MODEL}", and no server is there for it: ${how}`,
    };
  return { check, status: 'help', text: `The rehearsal model, which is no language model. For a real one ${how}` };
};

/** @param model What runs would work with. */
export const rehearsalFinding = (
  { kind }: Pick<FoundModel, 'kind'>,
  isThere = isInstalled('@copilotkit/aimock'),
): Finding => {
  const check = 'rehearsal';
  if (isThere) return { check, status: 'ok', text: 'The rehearsal model is installed.' };
  const text = 'The rehearsal model is not installed. It needs: npm install @copilotkit/aimock';
  return { check, status: kind === 'rehearsal' ? 'problem' : 'none', text };
};

/** @param isThere Whether the packages are installed that draw the live tree. */
export const terminalFinding = (
  terminal: Pick<Terminal, 'input' | 'errors' | 'environment'>,
  isThere = isInstalled('ink') && isInstalled('react'),
): Finding => {
  const check = 'terminal';
  if (!isInteractive(terminal)) return { check, status: 'none', text: 'No terminal, or TERM=dumb: plain lines.' };
  if (!isThere) return { check, status: 'help', text: 'Plain lines: the live tree needs the packages ink and react.' };
  const colours = isColourful(terminal.environment) ? 'in colours' : 'without colours';
  return { check, status: 'ok', text: `Live tree with keys, ${colours}.` };
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
