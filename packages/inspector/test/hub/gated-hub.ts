/** A real hub over real runs, whose source answers when the test says so, and a page that checks what it is told as it is told. */
import { setTimeout as pause } from 'node:timers/promises';
import { createRuntime, memoryStore, storedRuns, systemClock } from '@troupe/core';
import type { Clock } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { openHub } from '../../src/hub/hub.ts';
import { type RunSource, storeSource } from '../../src/hub/run-source.ts';
import { ToPage } from '../../src/index.ts';
import { clerk } from '../clerk.ts';

/** What a source may be waited for: whether a tree is there, a run, a tree. */
export type Kind = 'find' | 'watch' | 'readTree';
type Gate = { open(): void; fail(): void };

/** A store with two trees of one run each, which have ended: `r` and `s`. */
export const storedTrees = async () => {
  const store = memoryStore();
  const runtime = createRuntime({ provider: scriptedProvider(() => 'Done.'), model: 'test-model', store });
  for (const runId of ['r', 's']) await runtime.run(clerk, 'go', { runId });
  await runtime.close();
  return store;
};

/** The row of an actor of another program. */
export const actorId = 'program/a';

/** Lets everything happen that waits for nothing but its turn. */
export const settle = () => pause(1);

/** A source that waits at each question until it is let through, or fails there. */
const gated = (source: RunSource) => {
  const gates: Record<Kind, Gate[]> = { find: [], watch: [], readTree: [] };
  const pass = (kind: Kind): Promise<void> =>
    new Promise((open, reject) => gates[kind].push({ open, fail: () => reject(new Error(`no disk for ${kind}`)) }));
  let isShut = false;
  const slow: RunSource = {
    ...source,
    async get(runId) {
      await pass('find');
      return source.get(runId);
    },
    events(query = {}, options = {}) {
      const events = source.events(query, options);
      // What is shown at first is there when the page comes.
      if (!isShut || !('runId' in query || 'rootId' in query)) return events;
      const read = async function* () {
        await pass('runId' in query ? 'watch' : 'readTree');
        yield* { [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
      };
      return { [Symbol.asyncIterator]: () => read() } as never;
    },
  };
  const let_ = (how: 'open' | 'fail') => (kind: Kind) => gates[kind].shift()?.[how]();
  return {
    slow,
    /** From now on it waits. */
    shut: () => {
      isShut = true;
    },
    open: let_('open'),
    fail: let_('fail'),
    async openAll() {
      // What is let through may come to the next gate.
      for (let i = 0; i < 6; i += 1) {
        for (const kind of ['find', 'watch', 'readTree'] as const)
          while (gates[kind].length > 0) gates[kind].shift()?.open();
        await settle();
      }
    },
  };
};

type Wanted = { rowId: string | null; moment: { rootId: string; rootSeq: number } | null };
export type Said = { type: 'watch'; rowId: string | null } | { type: 'travel'; rootId: string; rootSeq: number | null };

/** A page in the test's hands. Whatever it is told that it does not want any more is noted as wrong. */
export const openGatedHub = async (
  store: Awaited<ReturnType<typeof storedTrees>>,
  { clock = systemClock }: { clock?: Clock } = {},
) => {
  const { slow, ...gates } = gated(storeSource(storedRuns(store)));
  const logged: string[] = [];
  const hub = openHub({
    source: slow,
    name: 'test',
    inspectUrl: '',
    clock,
    logger: { warn: (text) => void logged.push(text), error: (text) => void logged.push(text) },
    maxBufferedBytes: 1_000_000,
  });
  await settle();
  gates.shut();
  hub.hear('program', { type: '@xstate.actor', sessionId: 'a', name: 'a', createdAt: '1', snapshot: {} } as never);
  const told: ToPage[] = [];
  const wrong: unknown[] = [];
  const wanted: Wanted = { rowId: null, moment: null };
  /** The moment that a row of a tree is to be shown at. */
  const momentOf = (rowId: string): number | null => (wanted.moment?.rootId === rowId ? wanted.moment.rootSeq : null);
  const check = (message: ToPage): void => {
    if (message.type === 'details' && (message.rowId !== wanted.rowId || message.rootSeq !== momentOf(message.rowId)))
      wrong.push([message.rowId, message.rootSeq, { ...wanted }]);
    if (message.type === 'progress' && (message.rowId !== wanted.rowId || momentOf(message.rowId) !== null))
      wrong.push(['progress', message.rowId, { ...wanted }]);
    if (
      message.type === 'past' &&
      (message.rootId !== wanted.moment?.rootId || message.rootSeq !== wanted.moment.rootSeq)
    )
      wrong.push(['past', message.rootId, message.rootSeq, { ...wanted }]);
  };
  const page = hub.connect({
    send(text) {
      const message = ToPage.parse(JSON.parse(text));
      check(message);
      told.push(message);
    },
    buffered: () => 0,
    drop: () => {},
  });
  /** Where the answers to what was asked last begin. */
  let since = 0;
  return {
    hub,
    ...gates,
    told,
    wrong,
    wanted,
    logged,
    say(said: Said): void {
      since = told.length;
      if (said.type === 'watch') wanted.rowId = said.rowId;
      // A tree that is not there is no moment: the page is told so, and is in the present.
      else
        wanted.moment =
          said.rootSeq === null || said.rootId === 'nobody' ? null : { rootId: said.rootId, rootSeq: said.rootSeq };
      page.receive(JSON.stringify(said));
    },
    errors: () => told.filter(({ type }) => type === 'error'),
    /** What is shown: the last row that was told, since this page has asked for anything else. */
    shown: () => told.slice(since).findLast((message) => message.type === 'details'),
    lastShown: () => told.findLast((message) => message.type === 'details'),
    close: () => hub.close(),
  };
};
