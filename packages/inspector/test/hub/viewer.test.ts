/** What a page looks at, by its chart: each path that the chart has, and any order of messages, played to a real hub. */
import { pathsOf } from '@troupe/testing';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { viewerMachine } from '../../src/hub/viewer-machine.ts';
import type { ToPage } from '../../src/index.ts';
import { actorId, type Kind, openGatedHub, type Said, settle, storedTrees } from './gated-hub.ts';

let store: Awaited<ReturnType<typeof storedTrees>>;
beforeAll(async () => {
  store = await storedTrees();
});

type Hub = Awaited<ReturnType<typeof openGatedHub>>;

const rows = ['r', actorId, 'nobody', null];
const moments = [
  { rootId: 'r', rootSeq: 2, head: 4 },
  { rootId: 'r', rootSeq: null, head: 4 },
  { rootId: 's', rootSeq: 3, head: 4 },
  { rootId: 'nobody', rootSeq: 1, head: 0 },
];
const problem = { code: 'inspector.failed', message: 'no disk' };
const paths = pathsOf(viewerMachine, {
  input: { mostBytes: 1 },
  limit: 20_000,
  // What was looked at before matters to nobody once it is gone.
  abstract: ({ rowId, rootId, moment }, snapshot) => [
    snapshot.matches({ row: 'finding' }) ? rowId : null,
    snapshot.matches({ row: 'gone' }) ? null : rootId,
    moment?.rootId,
  ],
  events: [
    ...rows.map((rowId) => ({ type: 'look' as const, rowId })),
    ...moments.map((moment) => ({ type: 'travel' as const, ...moment })),
  ],
  settles: {
    find: ({
      snapshot: {
        context: { rowId },
      },
    }) => [{ output: { isThere: rowId !== 'nobody', rootId: rowId === 'r' ? 'r' : null } }, { error: problem }],
    readTree: () => [{ output: { type: 'past' } }, { error: problem }],
    readRow: () => [{ output: undefined }],
  },
  tells: { watch: () => [{ type: 'known' as const }, { type: 'failed' as const, problem }] },
});

const kindOf = (type: string): Kind =>
  type.includes('find') || type.includes('finding') ? 'find' : type.includes('moment') ? 'readTree' : 'watch';

/** Plays an event of the chart to the hub: what a page says, or what the source answers. */
const play = async (hub: Hub, event: { type: string }): Promise<void> => {
  if (event.type === 'look') return hub.say({ ...event, type: 'watch' } as Said);
  if (event.type === 'travel') {
    const { head: _, ...said } = event as unknown as { head: number } & Said;
    return hub.say(said);
  }
  await settle();
  if (event.type === 'failed' || event.type.startsWith('xstate.error')) hub.fail(kindOf(event.type));
  else hub.open(kindOf(event.type));
  await settle();
};

/** Whatever happened: a page that looks at the present of a row is told it. */
const looksAgain = async (hub: Hub): Promise<void> => {
  hub.say({ type: 'travel', rootId: 'r', rootSeq: null });
  hub.say({ type: 'watch', rowId: 'r' });
  await hub.openAll();
  expect(hub.shown()).toMatchObject({ rowId: 'r', rootSeq: null, chart: { active: ['agent', 'agent.completed'] } });
};

/** Another page that looks at "r": the errors that it was told. Frames come whenever it is time for them. */
const openOther = ({ hub }: Hub): (() => ToPage[]) => {
  const told: ToPage[] = [];
  const page = hub.connect({ send: (text) => void told.push(JSON.parse(text)), buffered: () => 0, drop() {} });
  page.receive(JSON.stringify({ type: 'watch', rowId: 'r' }));
  return () => told.filter(({ type }) => type === 'error');
};

describe('a page that looks', () => {
  test(`is told what it wants, and nothing that it does not want any more: ${paths.length} paths of its chart`, async () => {
    expect(paths.length).toBeGreaterThan(60);
    await Promise.all(
      paths.map(async ({ description, steps }) => {
        const hub = await openGatedHub(store);
        for (const { event } of steps.slice(1)) await play(hub, event);
        expect([hub.wrong, hub.logged], description).toEqual([[], []]);
        await looksAgain(hub);
        expect(hub.wrong, description).toEqual([]);
        hub.close();
      }),
    );
  }, 60_000);

  const says = fc.oneof(
    fc.constantFrom(...rows, 's').map((rowId): Said => ({ type: 'watch', rowId })),
    fc.constantFrom(...moments).map(({ rootId, rootSeq }): Said => ({ type: 'travel', rootId, rootSeq })),
  );
  const kinds = fc.constantFrom<Kind>('find', 'watch', 'readTree');
  const step = fc.oneof(
    { weight: 4, arbitrary: says },
    { weight: 3, arbitrary: kinds.map((kind) => ({ type: 'open', kind }) as const) },
    { weight: 1, arbitrary: kinds.map((kind) => ({ type: 'fail', kind }) as const) },
  );

  test('is told what it wants in the end, in whatever order it asks and its source answers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (list) => {
        const hub = await openGatedHub(store);
        let failed = 0;
        for (const one of list) {
          if (one.type === 'open') hub.open(one.kind);
          else if (one.type === 'fail') {
            failed += 1;
            hub.fail(one.kind);
          } else {
            hub.say(one);
            continue;
          }
          await settle();
        }
        await hub.openAll();
        const { rowId, moment } = hub.wanted;
        if (failed === 0 && rowId !== null && rowId !== 'nobody')
          expect(hub.lastShown()).toMatchObject({ rowId, rootSeq: moment?.rootId === rowId ? moment.rootSeq : null });
        if (failed === 0 && rowId === 'nobody')
          expect(hub.errors().at(-1)).toMatchObject({ message: expect.stringContaining('"nobody"') });
        await looksAgain(hub);
        expect([hub.wrong, hub.logged]).toEqual([[], []]);
        hub.close();
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test('at a run that could not be read first is told so, and is shown it when it looks again', async () => {
    const hub = await openGatedHub(store);
    const other = openOther(hub);
    hub.say({ type: 'watch', rowId: 'r' });
    for (let i = 0; i < 2; i += 1) await play(hub, { type: 'xstate.done.actor.find' });
    await play(hub, { type: 'failed' });
    // both that looked are told, though it was read once
    expect(other()).toMatchObject([{ message: 'no disk for watch' }]);
    expect(hub.errors()).toMatchObject([{ code: 'inspector.failed', message: 'no disk for watch' }]);
    hub.say({ type: 'watch', rowId: 'r' });
    await hub.openAll();
    expect(hub.shown()).toMatchObject({ rowId: 'r', rootSeq: null });
    hub.close();
  });

  test('at a tree that cannot be read as it was is told so, and is in the present', async () => {
    const hub = await openGatedHub(store);
    hub.say({ type: 'travel', rootId: 'r', rootSeq: 2 });
    await settle();
    hub.wanted.moment = null;
    hub.fail('readTree');
    await settle();
    expect(hub.errors()).toMatchObject([{ message: 'no disk for readTree' }]);
    await looksAgain(hub);
    hub.close();
  });

  test('at a run whose tree is forgotten is told that its row has gone, by whoever finds that out', async () => {
    const forgetful = await storedTrees();
    const hub = await openGatedHub(forgetful);
    hub.say({ type: 'watch', rowId: 'r' });
    await hub.openAll();
    expect(hub.shown()).toMatchObject({ rowId: 'r' });
    await forgetful.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
    const other = openOther(hub);
    await hub.openAll();
    expect(other()).toMatchObject([{ code: 'row.unknown' }]);
    await expect.poll(() => hub.told.at(-1)).toMatchObject({ type: 'frame', gone: ['r'] });
    // whoever was looking looks at nothing now
    hub.hub.hear('program', { type: '@xstate.event', sessionId: 'a', event: { type: 'go' }, createdAt: '2' } as never);
    await expect.poll(() => hub.told.at(-1)).toMatchObject({ type: 'frame', lines: [{ id: actorId }] });
    expect(hub.told.filter(({ type }) => type === 'progress')).toEqual([]);
    hub.close();
  });
});
