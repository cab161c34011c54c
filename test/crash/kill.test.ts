import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { isEnded, type StoredEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws } from '@troupe/testing';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { openCountingModel } from './model-server.ts';

const program = fileURLToPath(new URL('program.ts', import.meta.url));
const kills = Number(process.env.KILLS ?? 12);
const seed = Number(process.env.SEED ?? 1);

/** Runs the program; kills it `ms` after it is ready, or lets it end. */
const live = (args: string[], ms: number | null): Promise<{ code: number | null; stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args, ...(ms === null ? ['last'] : [])]);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    if (ms !== null) child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), ms));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stderr }));
  });

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').filter(Boolean);

const treesIn = (folder: string): number => {
  const db = new DatabaseSync(join(folder, 'runs.db'), { readOnly: true });
  const [row] = db.prepare('SELECT count(DISTINCT root_id) AS trees FROM runs').all();
  db.close();
  return Number(row?.trees);
};

test.skipIf(process.platform === 'win32')(
  `killed with SIGKILL ${kills} times, a program of trees of 20 runs loses nothing, and writes nothing twice [L1–L7, F-12, F-13]`,
  { timeout: 60_000 + kills * 2_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-kill-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const model = await openCountingModel();
    onTestFinished(() => model.close());
    const args = [folder, model.url];
    // when it is killed again and again, sometimes at once, sometimes after whole trees
    const waits = fc.sample(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 400 })), {
      seed,
      numRuns: kills,
    });
    for (const ms of waits) expect(await live(args, ms)).toEqual({ code: null, stderr: '' });
    // however slow the machine is: until there is more than one tree
    for (let more = 0; treesIn(folder) < 2 && more < 10; more++) await live(args, 2_000);
    // and then left alone
    expect(await live(args, null)).toEqual({ code: 0, stderr: '' });

    // then the file is whole
    const path = join(folder, 'runs.db');
    const db = new DatabaseSync(path, { readOnly: true });
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    db.close();
    // and every run has ended, lawfully
    const store = sqliteStore(path);
    onTestFinished(() => store.close());
    const rows = store.list({ limit: Number.MAX_SAFE_INTEGER });
    expect(rows.filter(({ status }) => !isEnded(status))).toEqual([]);
    const trees = Map.groupBy(rows, ({ rootId }) => rootId);
    const stored = new Map<string, StoredEvent>();
    for (const [rootId, tree] of trees) {
      const events: StoredEvent[] = [];
      for await (const event of store.events({ rootId })) events.push(event);
      expect(checkRunLaws(events)).toEqual([]);
      expect(tree).toHaveLength(20);
      for (const event of events) stored.set(event.id, event);
    }
    // and what was told was stored, and told once
    const told = linesOf(join(folder, 'told.txt'));
    expect(told.filter((line) => `${stored.get(line.split(' ')[0] ?? '')?.rootSeq}` !== line.split(' ')[1])).toEqual(
      [],
    );
    expect(new Set(told).size).toBe(told.length);
    // and every call wrote once, or a person was asked about it
    const written = linesOf(join(folder, 'lines.txt'));
    expect(new Set(written).size).toBe(written.length);
    const asked = new Set(
      [...stored.values()].flatMap((event) =>
        event.type === 'question.asked' ? [event.question.id.replace(/\?\d*$/, '')] : [],
      ),
    );
    const leaves = rows.filter(({ agent, status }) => agent === 'leaf' && status === 'completed');
    const missing = leaves.filter(({ runId }) => !written.includes(`${runId}/1-0`) && !asked.has(`${runId}/1-0`));
    expect(missing.map(({ runId }) => runId)).toEqual([]);
    // and no model was asked again for what it had answered
    const recoveries = Map.groupBy(
      [...stored.values()].filter(({ type }) => type === 'run.recovered'),
      ({ runId }) => runId,
    );
    const excess = rows.flatMap(({ runId, job }) =>
      [1, 2].filter(
        (turn) => (model.asked.get(`${String(job.input)} #${turn}`) ?? 0) > 1 + (recoveries.get(runId)?.length ?? 0),
      ),
    );
    expect(excess).toEqual([]);
    expect(trees.size).toBeGreaterThan(1);
  },
);
