import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SubagentInfo } from '@troupe/delegation';
import { isEnded, type StoredEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Message, openModel } from './model-server.ts';
import { isQuiet, openOffice, recordsIn, until } from './subagents-office.ts';

const program = fileURLToPath(new URL('subagents.ts', import.meta.url));
const kills = Number(process.env.KILLS ?? 5);
const seed = Number(process.env.SEED ?? 1);
/** Of a kind that nothing would know for a key by its looks. */
const apiKey = 'plain words nobody hides';

const freshFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-subagents-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const said = (messages: readonly Message[]) => messages.filter(({ role }) => role !== 'system');
/** Which sub-agent is asked, from what every sub-agent is told. */
const nameIn = (messages: readonly Message[]): string =>
  /^- Your name: (\w+)$/m.exec(messages.find(({ role }) => role === 'system')?.content ?? '')?.[1] ?? 'lead';

/** A model that says what it was asked, and says nothing to what is held until it is let go. */
const openEcho = async () => {
  const heard: { name: string; messages: Message[]; authorization: string | undefined }[] = [];
  const held = new Set<string>();
  const gate = Promise.withResolvers<void>();
  const model = await openModel(async ({ messages, authorization }) => {
    const name = nameIn(messages);
    const word = messages.findLast(({ role }) => role === 'user')?.content ?? '';
    heard.push({ name, messages: said(messages), authorization });
    if (word.endsWith('held')) {
      held.add(name);
      await gate.promise;
    }
    return { text: `done: ${word.split('\n')[0]}` };
  });
  onTestFinished(() => model.close());
  return { url: model.url, heard, held, release: gate.resolve };
};

/** Starts the program; `first` is what it said first. */
const start = (args: string[]) => {
  const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, PROVIDER_KEY: apiKey } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stderr }));
  });
  const first = new Promise<unknown>((resolve, reject) => {
    createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line)));
    void ended.then(() => reject(new Error(`It ended without a word: ${stderr}`)));
  });
  first.catch(() => {});
  const kill = () => {
    child.kill('SIGKILL');
    return ended;
  };
  return { first, ended, kill };
};

/** Runs whose results were heard, each as often as it was, with the session that heard it. */
const heardIn = (events: readonly StoredEvent[], sessionOf: ReadonlyMap<string, string | undefined>): string[] =>
  events.flatMap((event) => {
    const inJob = event.type === 'run.started' ? (event.job.metadata?.delivered as string[] | undefined) : undefined;
    const inTurn = event.type === 'turn.started' ? event.delivered : undefined;
    return [...(inJob ?? []), ...(inTurn ?? [])].map((id) => `${id} in ${sessionOf.get(event.runId)}`);
  });

/** What is stored, once nobody is at work: lawful, each result heard once by whoever asked for it, and no key. */
const checkStored = async (folder: string) => {
  const store = sqliteStore(join(folder, 'runs.db'));
  onTestFinished(() => store.close());
  const rows = store.list({ limit: Number.MAX_SAFE_INTEGER });
  expect(rows.filter(({ status }) => !isEnded(status))).toEqual([]);
  const events: StoredEvent[] = [];
  for await (const event of store.events({})) events.push(event);
  expect(checkRunLaws(events)).toEqual([]);
  const sessionOf = new Map(rows.map(({ runId, sessionKey }) => [runId, sessionKey]));
  const records = recordsIn({ store });
  const wanted = records.flatMap(({ sessionKey, requester }) =>
    rows
      .filter((row) => row.sessionKey === sessionKey)
      .map(({ runId }) => `result.${runId} in ${requester.sessionKey}`),
  );
  expect(heardIn(events, sessionOf).toSorted()).toEqual(wanted.toSorted());
  for (const file of readdirSync(folder))
    expect([file, readFileSync(join(folder, file)).includes(apiKey)]).toEqual([file, false]);
  return { rows: rows.toReversed(), records };
};

describe.skipIf(process.platform === 'win32')('a program with named sub-agents, killed with SIGKILL', () => {
  test.each([
    ['while they are at work', 'hold'],
    ['while they are idle', 'idle'],
  ] as const)(
    '%s: another process goes on with each by its name, where it was [B-06, B-40, SB-095, SB-112, SB-117, F-12]',
    { timeout: 30_000 },
    async (_, story) => {
      const folder = freshFolder();
      const model = await openEcho();
      const child = start([folder, model.url, story]);
      const before = (await child.first) as SubagentInfo[];
      if (story === 'hold') await until(() => model.held.size === 2);
      expect(await child.kill()).toEqual({ code: null, stderr: '' });

      // when another process opens the file
      model.release();
      const office = openOffice({ folder, url: model.url, apiKey });
      const { manager, runtime, store } = office;
      await manager.ready;
      const { recovered, skipped } = await runtime.recover();
      expect([recovered.length, skipped]).toEqual([story === 'hold' ? 2 : 0, []]);
      await until(() => isQuiet(office));

      // then everybody is who and where it was
      const same = ({ agentId, name, parentId, depth, sessionKey, config, requester }: SubagentInfo) => ({
        ...{ agentId, name, parentId, depth, sessionKey, config, requester },
      });
      const after = await manager.listPersistent();
      expect(after.map(same)).toEqual(before.map(same));
      const [ann, bob] = after;
      expect(bob).toMatchObject({ name: 'bob', parentId: ann?.agentId, depth: 2, state: 'completed' });

      // and goes on by its name, with all that was said
      const tasks = story === 'hold' ? ['task 0', 'task 1, held'] : ['task 0'];
      for (const name of ['bob', 'ann']) {
        await manager.resume({ name, task: 'the next one', scope: 'chat' });
        await until(() => isQuiet(office));
        const last = model.heard.findLast(
          (each) => each.name === name && each.messages.some(({ content }) => content === 'the next one'),
        );
        const words = last?.messages.map(({ content }) => content) ?? [];
        expect(words.filter((word) => !/\[Sub-agent/.test(word)).slice(0, 2 * tasks.length + 1)).toEqual([
          ...tasks.flatMap((task) => [task, `done: ${task}`]),
          'the next one',
        ]);
        expect(last?.authorization).toBe(`Bearer ${apiKey}`);
      }
      await runtime.close();
      await store.close();
      const { rows } = await checkStored(folder);
      // and what was under way is no other run than before
      const inputs = rows.filter(({ sessionKey }) => sessionKey === ann?.sessionKey).map(({ job }) => job.input);
      expect(inputs.filter((input) => String(input).startsWith('t'))).toEqual([...tasks, 'the next one']);
    },
  );

  test(`${kills} times at any moment, each does every task once, in one conversation, and each result is heard once [B-33, B-39, B-40, SB-112, F-13]`, {
    timeout: 30_000 + kills * 3_000,
  }, async () => {
    const folder = freshFolder();
    const model = await openEcho();
    // when it is killed again and again, sometimes at once, sometimes after many tasks
    const waits = fc.sample(fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 500 })), {
      seed,
      numRuns: kills,
    });
    for (const ms of waits) {
      const child = start([folder, model.url, 'on']);
      expect(await child.first).toBe('ready');
      await new Promise((resolve) => setTimeout(resolve, ms));
      expect(await child.kill()).toEqual({ code: null, stderr: '' });
    }
    // and then left alone
    expect(await start([folder, model.url, 'last']).ended).toEqual({ code: 0, stderr: '' });

    const { rows, records } = await checkStored(folder);
    expect(new Set(records.map(({ name }) => name))).toEqual(new Set(['ann', 'bob']));
    for (const { name = '', sessionKey, parentId, depth } of records) {
      const tasks = rows.flatMap(({ job, sessionKey: key }) =>
        key === sessionKey && String(job.input).startsWith('task') ? [String(job.input)] : [],
      );
      // then each task was done once, in its order
      expect(tasks).toEqual(tasks.map((_, n) => `task ${n}`));
      expect(tasks.length).toBeGreaterThan(1);
      // and the last request holds them all
      const last = model.heard.findLast((each) => each.name === name)?.messages ?? [];
      expect(
        last.flatMap(({ role, content }) => (role === 'user' && content.startsWith('task') ? [content] : [])),
      ).toEqual(tasks);
      const ann = records.find((each) => each.name === 'ann');
      expect([name, parentId, depth]).toEqual(name === 'ann' ? ['ann', null, 1] : ['bob', ann?.agentId, 2]);
    }
  });
});
