import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isEnded, type StoredEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws } from '@troupe/testing';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';

const program = fileURLToPath(new URL('units.ts', import.meta.url));
const kills = Number(process.env.KILLS ?? 5);
const seed = Number(process.env.SEED ?? 1);

/** Runs the program; kills it `ms` after it is ready, or lets it end. */
const live = (folder: string, ms: number | null): Promise<{ code: number | null; stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, folder, ...(ms === null ? ['last'] : [])]);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    if (ms !== null) child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), ms));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stderr }));
  });

test.skipIf(process.platform === 'win32')(
  `killed with SIGKILL ${kills} times, a program tells each session once what its units came to [HM-158, F-14, L7]`,
  { timeout: 60_000 + kills * 2_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-units-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    // when it is killed again and again, sometimes at once, sometimes after whole conversations
    const waits = fc.sample(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 300 })), {
      seed,
      numRuns: kills,
    });
    for (const ms of waits) expect(await live(folder, ms)).toEqual({ code: null, stderr: '' });
    // and then left alone
    expect(await live(folder, null)).toEqual({ code: 0, stderr: '' });

    const store = sqliteStore(join(folder, 'runs.db'));
    onTestFinished(() => store.close());
    const rows = store.list({ limit: Number.MAX_SAFE_INTEGER });
    expect(rows.filter(({ status }) => !isEnded(status))).toEqual([]);
    const events: StoredEvent[] = [];
    for await (const event of store.events({})) events.push(event);
    expect(checkRunLaws(events)).toEqual([]);
    // then every call is one unit, and every unit was heard once, in its own conversation
    const units = rows.filter(({ origin }) => origin);
    const answers = events.flatMap((event) =>
      event.type === 'call.completed' && event.agent === 'lead' ? event.result : [],
    );
    expect(answers.toSorted()).toEqual(units.map(({ runId }) => runId).toSorted());
    const sessionOf = new Map(rows.map(({ runId, sessionKey, rootId }) => [runId, sessionKey ?? rootId]));
    const told = events.flatMap((event) => {
      const inJob = event.type === 'run.started' ? (event.job.metadata?.delivered as string[] | undefined) : undefined;
      const inTurn = event.type === 'turn.started' ? event.delivered : undefined;
      return [...(inJob ?? []), ...(inTurn ?? [])].map((unitId) => `${unitId} in ${sessionOf.get(event.runId)}`);
    });
    expect(told.toSorted()).toEqual(units.map(({ runId, sessionKey }) => `${runId} in ${sessionKey}`).toSorted());
    expect(units.length).toBeGreaterThan(3);
  },
);
