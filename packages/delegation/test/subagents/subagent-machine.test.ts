import { keyOf, pathsOf } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { type AnyEventObject, createActor, fromPromise, setup } from 'xstate';
import {
  type Ask,
  type SubagentCommand,
  type SubagentNews,
  subagentMachine,
} from '../../src/subagents/subagent-machine.ts';
import { recordOf } from './asked.ts';
import { settle } from './office.ts';

/** @param restarted It takes the place of what it does. */
const askFor = (runId: string, restarted = false): SubagentCommand => ({
  type: 'ask',
  ask: { record: recordOf('a', runId, { run: { runId, task: runId, askedAt: 0, restarted } }) },
});
const runIdOf = ({ record }: Ask): string => record.run?.runId ?? '';

type Known = Parameters<NonNullable<Parameters<typeof pathsOf<typeof subagentMachine>>[1]['abstract']>>[0];
const abstract = ({ asks, open, doomed }: Known) => [asks.map(runIdOf), open, doomed];

/** As many runs as matter: one at work, one that is about to take its place, and one that was woken by mail. */
const names = ['r1', 'r2'];
const happens = {
  events: ({ context: { asks, open } }: { context: Known }): SubagentCommand[] => {
    const taken = [...asks.map(runIdOf), ...open];
    const free = names.find((name) => !taken.includes(name));
    return [
      ...(free ? [askFor(free, taken.length > 0)] : []),
      { type: 'cancel', reason: 'enough' },
      ...(taken.includes('woken') ? [] : [{ type: 'began' as const, runId: 'woken' }]),
      ...open.map((runId) => ({ type: 'ended' as const, runId })),
      ...(open.length > 1 ? [{ type: 'drop' as const, runIds: open.slice(0, 1) }] : []),
    ];
  },
  settles: {
    note: () => [{ output: undefined }, { error: new Error('The store is down.') }],
    send: () => [{ output: undefined }, { error: new Error('The store is down.') }],
  },
  abstract,
};
/** What it says to its manager, there is nobody to say to while paths are looked for. */
const chart = subagentMachine.provide({ actions: { say: () => {} } });
const scenes = {
  'that is new': pathsOf(chart, { ...happens, input: { agentId: 'a', open: [] } }),
  'that was at work before a restart': pathsOf(chart, { ...happens, input: { agentId: 'a', open: ['r1'] } }),
};

const types = {} as { events: SubagentNews };

/** The machine below a parent that takes note, with actors that store when they are told to. */
const open = (openRuns: string[]) => {
  const news: SubagentNews[] = [];
  const stops: { runIds: string[]; reason: string }[] = [];
  const began: Ask[] = [];
  let under: PromiseWithResolvers<void> | undefined;
  const waits = (): Promise<void> => {
    under = Promise.withResolvers<void>();
    return under.promise;
  };
  const parent = createActor(
    setup({
      types,
      actors: {
        subagent: subagentMachine.provide({
          actors: {
            note: fromPromise<void, Ask>(({ input }) => {
              began.push(input);
              return waits();
            }),
            send: fromPromise<void, Ask>(waits),
          },
          actions: { stop: (_, what) => void stops.push(what) },
        }),
      },
    }).createMachine({
      invoke: { id: 'a', src: 'subagent', input: { agentId: 'a', open: openRuns } },
      on: { '*': { actions: ({ event }) => void news.push(event) } },
    }),
  ).start();
  const child = parent.getSnapshot().children.a;
  if (!child) throw new Error('There is no sub-agent.');
  const end = async (how: object): Promise<void> => {
    const ending = under;
    under = undefined;
    if ('error' in how) ending?.reject(how.error);
    else ending?.resolve();
    await settle(1);
  };
  const stage = () => (child.getSnapshot().value as { beginning?: 'noting' | 'sending' }).beginning;
  return { parent, child, news, stops, began, end, stage };
};

/** Plays events, and holds what is told and stopped against what was asked, step by step. */
const player = (openRuns: string[]) => {
  const stage = open(openRuns);
  const { child, news, stops, began, end, parent } = stage;
  /** By number, as each is told of on its own. */
  const asked: Ask[] = [];
  /** Why what was asked for, and not told of, never begins: it was cancelled, or what it was to take the place of never was. */
  const doomed = new Map<number, string>();
  const numbersTold = () => news.flatMap((each) => ('ask' in each ? [each.ask.requestId] : []));
  const play = async (event: AnyEventObject): Promise<void> => {
    const told = numbersTold();
    const before = { news: news.length, stops: stops.length, began: began.length };
    const { open: wasOpen } = child.getSnapshot().context;
    const was = stage.stage();
    const beginning = was && began.at(-1);
    const isSteering = beginning?.record.run?.restarted === true;
    if (event.type === 'ask') {
      const ask = { ...(event as unknown as { ask: Ask }).ask, requestId: asked.length };
      asked.push(ask);
      child.send({ type: 'ask', ask });
    } else if (event.type.startsWith('xstate.')) await end(event);
    else child.send(event as SubagentCommand);
    const untold = asked.flatMap(({ requestId = -1 }) => (told.includes(requestId) ? [] : requestId));
    const neverWas = event.type.startsWith('xstate.error') && !beginning?.record.run?.restarted;
    if (event.type === 'cancel') for (const number of untold) doomed.set(number, 'enough');
    else if (neverWas) for (const number of untold) doomed.set(number, 'The store is down.');

    const newly = {
      news: news.slice(before.news),
      stops: stops.slice(before.stops).filter(({ runIds }) => runIds.length > 0),
      began: began.slice(before.began),
    };
    // each is told of once, in the order in which they were asked for, and begins at most once
    const now = numbersTold();
    expect(now).toEqual(asked.slice(0, now.length).map(({ requestId }) => requestId));
    expect(new Set(began.map(({ requestId }) => requestId)).size).toBe(began.length);
    // what has not begun when it is cancelled never does; what was asked for after that does
    for (const { requestId = -1 } of newly.began) expect(doomed.has(requestId)).toBe(false);
    const isOvertaken = (ask: Ask): boolean => ask !== beginning || (isSteering && doomed.has(ask.requestId ?? -1));
    for (const each of newly.news)
      if (each.type === 'subagent.unbegun' && isOvertaken(each.ask) && !event.type.startsWith('xstate.error')) {
        const message = doomed.get(each.ask.requestId ?? -1) ?? 'Nothing spoke against it.';
        expect(each.error).toMatchObject({ code: 'subagent.cancelled', message });
      }
    // what is stopped: all there is by a cancel, what waits before what it waits for; the one before by a steering; nothing by anything else
    const stopped = newly.stops.flatMap(({ runIds }) => runIds);
    if (event.type === 'cancel') {
      const unheardOf = was === 'noting' && isSteering ? runIdOf(beginning) : '';
      expect(stopped).toEqual(wasOpen.filter((runId) => runId !== unheardOf).reverse());
      for (const { reason } of newly.stops) expect(reason).toBe('enough');
      // what it was to be steered to never is, and that is said at once
      if (unheardOf !== '') expect(newly.news[0]).toMatchObject({ type: 'subagent.unbegun', ask: beginning });
    } else if (event.type === 'drop') expect(stopped).toEqual(event.runIds);
    else if (beginning && was === 'sending' && event.type.startsWith('xstate.done')) {
      const isDoomed = doomed.has(beginning.requestId ?? -1);
      const own = runIdOf(beginning);
      if (isDoomed && isSteering) {
        expect(newly.news[0]).toMatchObject({ type: 'subagent.unbegun', ask: beginning });
        expect(stopped).toEqual([]);
      } else {
        expect(newly.news[0]).toEqual({ type: 'subagent.begun', ask: beginning });
        expect(stopped).toEqual(isDoomed ? [own] : wasOpen.filter((runId) => runId !== own));
      }
      for (const { reason } of newly.stops) expect(reason === 'enough').toBe(isDoomed);
    } else {
      // whether it was stored is not known where that could not be heard
      const isLost = beginning && was === 'sending' && event.type.startsWith('xstate.error');
      expect(stopped).toEqual(isLost ? [runIdOf(beginning)] : []);
      if (beginning && event.type.startsWith('xstate.error'))
        expect(newly.news[0]).toMatchObject({ type: 'subagent.unbegun', ask: beginning, error: event.error });
    }
    // it says that it is idle when it is
    const { value, context } = child.getSnapshot();
    const isIdle = context.open.length === 0 && now.length === asked.length;
    expect(value === 'idle').toBe(isIdle);
    if (isIdle && newly.news.length > 0) expect(newly.news.at(-1)).toEqual({ type: 'subagent.idle', agentId: 'a' });
  };
  /** Until nothing is left to do. */
  const drain = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      if (stage.stage()) await play({ type: 'xstate.done.actor' });
      for (const runId of child.getSnapshot().context.open) if (!stage.stage()) await play({ type: 'ended', runId });
    }
    expect(child.getSnapshot().value).toBe('idle');
    expect(numbersTold()).toEqual(asked.map(({ requestId }) => requestId));
    for (const { requestId = -1 } of asked.filter((ask) => !began.includes(ask)))
      expect(doomed.has(requestId)).toBe(true);
    parent.stop();
  };
  return { ...stage, play, drain };
};

describe.each(Object.entries(scenes))('on every path of its chart, a sub-agent %s', (_, paths) => {
  test('has paths to everything it can do', () => {
    const states = new Set(paths.flatMap(({ steps }) => steps.map(({ state }) => JSON.stringify(state.value))));
    expect([...states].sort()).toEqual(['"idle"', '"working"', '{"beginning":"noting"}', '{"beginning":"sending"}']);
  });

  test('does one thing after another, each once and told of once; a cancel wins over what was asked before it [B-36, B-32]', async () => {
    for (const { steps, description } of paths) {
      const [first, ...others] = steps;
      const { child, play, drain } = player(first?.state.context.open ?? []);
      const follow = async (): Promise<void> => {
        for (const { event, state } of others) {
          await play(event);
          expect(keyOf<typeof subagentMachine>({ abstract }, child.getSnapshot())).toBe(
            keyOf<typeof subagentMachine>({ abstract }, state),
          );
        }
        await drain();
      };
      await follow().catch((error: unknown) => {
        throw new Error(`On the path ${description}: ${String(error)}`, { cause: error });
      });
    }
  });
});

test('a sub-agent that cannot begin says so', async () => {
  const news: SubagentNews[] = [];
  const parent = createActor(
    setup({ types, actors: { subagent: subagentMachine } }).createMachine({
      invoke: { id: 'a', src: 'subagent', input: { agentId: 'a', open: [] } },
      on: { '*': { actions: ({ event }) => void news.push(event) } },
    }),
  ).start();
  parent.getSnapshot().children.a?.send(askFor('r1'));
  parent.getSnapshot().children.a?.send({ type: 'cancel', reason: 'enough' });
  await settle(1);
  expect(news).toMatchObject([
    { type: 'subagent.idle' },
    { type: 'subagent.unbegun', error: { message: 'A sub-agent was started without its actor "note".' } },
    { type: 'subagent.idle' },
  ]);
  parent.stop();
});
