import type { RunRow, RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { idsOf, oneTo, rowOf, take, tenMB, textsOf, writeRun, writerOf } from '../run-writer.ts';

/** Runs as a list shows them. */
export const rows: Contract<RunStore> = [
  [
    'knows no run that was never written',
    async (open) => {
      const store = await open();
      expect(await store.get('r')).toBeUndefined();
      expect(await store.list()).toEqual([]);
      expect(await take(store, { runId: 'r' })).toEqual([]);
      expect(await take(store, { rootId: 'r' })).toEqual([]);
      expect(await take(store, {})).toEqual([]);
    },
  ],
  [
    'gives the row of the last commit',
    async (open) => {
      const store = await open();
      const full: RunRow = rowOf({
        runId: 'r/1-0/0',
        rootId: 'r',
        parentId: 'r',
        callId: 'c',
        depth: 1,
        sessionKey: 'k',
        createdAt: 5,
        quota: 'q',
        fingerprint: 'f00d',
        made: { tool: 'spawn', data: { name: 'Zoë', tools: [null, 1.5, ''] } },
        origin: { runId: 's/1-0/0', rootId: 's', callId: 'd', each: true },
        placed: { queue: 'far' },
        after: null,
      });
      const run = await writeRun(store, full);
      await run.say('a');
      expect(await store.get('r/1-0/0')).toEqual(full);
      expect(await store.list()).toEqual([full]);
      const paused: RunRow = {
        ...full,
        job: { input: 'other' },
        status: 'paused',
        exitReason: 'question',
        detached: true,
      };
      await run.commit(run.next(['b'], { row: paused }));
      expect(await store.get('r/1-0/0')).toEqual(paused);
    },
  ],
  [
    'gives back a job with 10 MB attached',
    async (open) => {
      const store = await open();
      const url = `data:text/plain,${tenMB()}`;
      const about = {
        runId: 'r',
        job: { input: 'Read it.', attachments: [{ type: 'file' as const, url, name: 'a.txt' }] },
      };
      const run = await writeRun(store, about);
      await run.say('a');
      await run.say('b');
      for (const row of [await store.get('r'), ...(await store.list())]) {
        const [file] = row?.job.attachments ?? [];
        expect(file?.type === 'file' && file.url === url).toBe(true);
        expect(row?.job.input).toBe('Read it.');
      }
    },
  ],
  [
    'lists the newest runs first',
    async (open) => {
      const store = await open();
      for (const n of oneTo(3)) await (await writeRun(store, { runId: `r${n}`, createdAt: n })).say('a');
      expect(await store.list()).toEqual([3, 2, 1].map((n) => rowOf({ runId: `r${n}`, createdAt: n })));
      expect(idsOf(await store.list({ limit: 2 }))).toEqual(['r3', 'r2']);
      expect(idsOf(await store.list({ before: 'r3' }))).toEqual(['r2', 'r1']);
      expect(idsOf(await store.list({ before: 'r1' }))).toEqual([]);
    },
  ],
  [
    'lists 100 runs unless told otherwise',
    async (open) => {
      const store = await open();
      for (const n of oneTo(101)) await (await writeRun(store, { runId: `r${n}`, createdAt: n })).say('a');
      expect(await store.list()).toHaveLength(100);
      expect(await store.list({ limit: 200 })).toHaveLength(101);
    },
  ],
  [
    'lists each run once, page by page, even when all are of one age',
    async (open) => {
      const store = await open();
      for (const n of oneTo(11)) await (await writeRun(store, { runId: `r${n}` })).say('a');
      const listed: string[] = [];
      // One page more than there are, so that a store that never comes to an end is found out.
      for (const _ of oneTo(5)) {
        const before = listed.at(-1);
        const page = idsOf(await store.list({ limit: 3, ...(before !== undefined && { before }) }));
        listed.push(...page);
      }
      expect(new Set(listed)).toEqual(new Set(oneTo(11).map((n) => `r${n}`)));
      expect(listed).toHaveLength(11);
    },
  ],
  [
    'lists runs by status as it is now, by tree, and by both',
    async (open) => {
      const store = await open();
      const [r, child, s] = [
        await writeRun(store, { runId: 'r', createdAt: 1 }),
        await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', createdAt: 2 }),
        await writeRun(store, { runId: 's', createdAt: 3 }),
      ];
      for (const run of [r, child, s]) await run.say('a');
      await child.end();
      await s.commit(s.next(['b'], { row: rowOf({ runId: 's', createdAt: 3, status: 'paused' }) }));
      expect(idsOf(await store.list({ status: 'running' }))).toEqual(['r']);
      expect(idsOf(await store.list({ status: ['paused', 'completed'] }))).toEqual(['s', 'r/1-0/0']);
      expect(idsOf(await store.list({ status: [] }))).toEqual([]);
      expect(idsOf(await store.list({ rootId: 'r' }))).toEqual(['r/1-0/0', 'r']);
      expect(idsOf(await store.list({ rootId: 'r', status: 'completed' }))).toEqual(['r/1-0/0']);
      expect(idsOf(await store.list({ rootId: 'r', before: 's', limit: 1 }))).toEqual(['r/1-0/0']);
      expect(idsOf(await store.list({ rootId: 'r', before: 'r/1-0/0' }))).toEqual(['r']);
      expect(idsOf(await store.list({ limit: 0 }))).toEqual([]);
      expect(idsOf(await store.list({ status: ['paused', 'completed'], before: 's' }))).toEqual(['r/1-0/0']);
      expect(idsOf(await store.list({ status: ['completed', 'paused'], limit: 1 }))).toEqual(['s']);
    },
  ],
  [
    'says how quotas stand: all of them, or those that are asked for',
    async (open) => {
      const store = await open();
      for (const [runId, quota] of Object.entries({ r: 'k', s: 'k/1', t: 'k', u: 'K', v: 'k', w: 'k' }))
        await (await writeRun(store, { runId, quota })).say('a');
      await (await writeRun(store, { runId: 'without' })).say('a');
      const next = (runId: string) => writerOf(store, { runId, quota: 'k' }, { seq: 1 });
      await next('r').end();
      const failed = next('v').last();
      await next('v').commit({ ...failed, row: { ...failed.row, status: 'failed' } });
      const gone = next('w').next(['b']);
      await next('w').commit({ ...gone, row: { ...gone.row, detached: true } });
      const k = { key: 'k', completed: 1, holders: ['t'] };
      const others = [
        { key: 'k/1', completed: 0, holders: ['s'] },
        { key: 'K', completed: 0, holders: ['u'] },
      ];
      expect(await store.quotas(['k'])).toEqual([k]);
      const all = await store.quotas();
      expect(all).toHaveLength(3);
      expect(all).toEqual(expect.arrayContaining([k, ...others]));
      expect(await store.quotas(['k', 'K', 'unheard of'])).toHaveLength(2);
      expect(await store.quotas([])).toEqual([]);
    },
  ],
  [
    'lists runs that a session was sent, without those below them',
    async (open) => {
      const store = await open();
      const about = { sessionKey: 'k' };
      for (const row of [
        { runId: 'r', after: null },
        { runId: 'r/1-0/0', rootId: 'r' },
        { runId: 's', after: 'r' },
        { runId: 't' },
      ])
        await (await writeRun(store, { ...about, ...row })).say('a');
      await (await writeRun(store, { runId: 'u', sessionKey: 'k/1', after: null })).say('a');
      expect(idsOf(await store.list({ sentTo: 'k' }))).toEqual(['s', 'r']);
      expect(idsOf(await store.list({ sentTo: 'k', limit: 1 }))).toEqual(['s']);
      expect(idsOf(await store.list({ sentTo: 'k', before: 's' }))).toEqual(['r']);
      expect(idsOf(await store.list({ sentTo: 'k', status: 'completed' }))).toEqual([]);
      expect(idsOf(await store.list({ sentTo: 'k', rootId: 'r' }))).toEqual(['r']);
      expect((await store.list({ sentTo: 'k' })).map(({ after }) => after)).toEqual(['r', null]);
      expect(await store.list({ sentTo: 'unheard of' })).toEqual([]);
    },
  ],
  [
    'lists runs that were started in the background of a session, without those below them and those that it was sent',
    async (open) => {
      const store = await open();
      const origin = { runId: 'r', rootId: 'r', callId: 'c' };
      for (const row of [
        { runId: 'r', after: null },
        { runId: 'u', origin },
        { runId: 'u/1-0/0', rootId: 'u' },
        { runId: 'v', origin: { ...origin, runId: 'u', rootId: 'u' } },
        { runId: 'w', origin },
        { runId: 'x', origin, sessionKey: 'k/1' },
        { runId: 'y', origin, sessionKey: 'K' },
        { runId: 'z', origin: { ...origin, sessionKey: 'k' }, sessionKey: 'asked', after: null },
      ])
        await (await writeRun(store, { sessionKey: 'k', ...row })).say('a');
      await writerOf(store, { runId: 'v', sessionKey: 'k', origin }, { seq: 1 }).end();
      expect(idsOf(await store.list({ unitsOf: 'k' }))).toEqual(['z', 'w', 'v', 'u']);
      expect(idsOf(await store.list({ unitsOf: 'k/1' }))).toEqual(['x']);
      expect(idsOf(await store.list({ unitsOf: 'k', status: 'running' }))).toEqual(['z', 'w', 'u']);
      expect(idsOf(await store.list({ unitsOf: 'k', limit: 2 }))).toEqual(['z', 'w']);
      expect(idsOf(await store.list({ unitsOf: 'k', before: 'v' }))).toEqual(['u']);
      expect(idsOf(await store.list({ unitsOf: 'k', rootId: 'u' }))).toEqual(['u']);
      expect(idsOf(await store.list({ sentTo: 'k' }))).toEqual(['r']);
      // it was asked for by another session than the one it was sent to
      expect(await store.list({ unitsOf: 'asked' })).toEqual([]);
      expect(idsOf(await store.list({ sentTo: 'asked' }))).toEqual(['z']);
      expect(await store.list({ unitsOf: 'unheard of' })).toEqual([]);
    },
  ],
  [
    'takes an id by the letter',
    async (open) => {
      const store = await open();
      const ids = ['run_1', 'runx1', 'RUN_1', 'run%', 'run_1/1-0/0'];
      for (const runId of ids) await (await writeRun(store, { runId })).say(runId);
      for (const runId of ids) {
        expect((await store.get(runId))?.runId).toBe(runId);
        expect(idsOf(await store.list({ rootId: runId }))).toEqual([runId]);
        expect(textsOf(await take(store, { rootId: runId }))).toEqual([runId]);
        expect(textsOf(await take(store, { runId }))).toEqual([runId]);
      }
    },
  ],
];
