// One conversation that two programs use at once, each with a store of its own on the same file or database.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent } from '@troupe/core';
import { isTerminal, type RunEvent, type RunStore } from '@troupe/protocol';
import { postgresStore } from '@troupe/store-postgres';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { sharedServer } from './tools/postgres/server.ts';

type Place = () => Promise<() => RunStore & { close(): Promise<void> }>;

const inFile =
  (durability: 'full' | 'normal'): Place =>
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-session-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return () => sqliteStore({ path: join(folder, 'runs.db'), durability });
  };
const inDatabase: Place = async () => {
  const about = { url: await sharedServer(), schema: `session_${randomUUID().slice(0, 8)}` };
  return () => postgresStore(about);
};

const friend = defineAgent({ name: 'friend', instructions: 'Be kind.' });
const rounds = 25;

test.each([
  ['in a SQLite file', inFile('normal')],
  ['in a SQLite file that is flushed', inFile('full')],
  ['in PostgreSQL', inDatabase],
])(
  '%s what two programs send one session at the same moment begins one run after another, and what was left for it is heard once [L1, F-14]',
  {
    timeout: 60_000,
  },
  async (_where, place) => {
    const open = await place();
    const programs = [0, 1].map(() => {
      const store = open();
      const logger = { warn: () => {}, error: () => {} };
      const runtime = createRuntime({ provider: scriptedProvider(() => 'well'), model: 'm', store, logger });
      const told: RunEvent[] = [];
      runtime.events$.subscribe((event) => void told.push(event));
      return { store, runtime, told, session: runtime.session(friend, { sessionKey: 'k' }) };
    });
    const said: string[] = [];
    let first: RunStore | undefined;
    for (let round = 0; round < rounds; round++) {
      const left = `left ${round}`;
      await programs[round % 2]?.session.deliver({ id: left, text: left, wakes: false });
      const sent = programs.map(async ({ session }, i) => {
        const text = `sent ${round} by ${i}`;
        const run = await session.send(text);
        said.push(text);
        expect(await run.ended).toMatchObject({ status: 'completed' });
      });
      const refused = (await Promise.allSettled(sent)).flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason] : [],
      );
      for (const reason of refused) expect(reason).toMatchObject({ code: 'run.claimed' });
      expect(refused.length).toBeLessThan(2);
      said.push(left);
    }
    for (const { store, runtime, told } of programs) {
      first ??= store;
      await runtime.close();
      expect(checkRunLaws(told)).toEqual([]);
    }
    const rows = [...((await first?.list({ sentTo: 'k', limit: 1_000 })) ?? [])].reverse();
    expect(rows.map(({ after }) => after)).toEqual([null, ...rows.map(({ runId }) => runId)].slice(0, rows.length));
    const heard: string[] = rows.map(({ job }) => String(job.input));
    const turns: string[] = [];
    for await (const event of first?.events({}) ?? []) {
      if (event.type === 'turn.started') heard.push(...(event.heard ?? []));
      if (event.type === 'run.started' || isTerminal(event)) turns.push(event.runId);
    }
    expect(heard.toSorted()).toEqual(said.toSorted());
    expect(turns.filter((runId, i) => i % 2 === 1 && runId !== turns[i - 1])).toEqual([]);
    for (const { store } of programs) await store.close();
  },
);
