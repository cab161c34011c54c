/** A run on a real runtime, played event by event as a path says. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callKeyOf, childIdOf, FaultError, isTerminal, type ModelPart, type RunEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { mortalStore } from '@troupe/testing';
import { afterAll, expect } from 'vitest';
import {
  type AnyActorRef,
  type AnyEventObject,
  type AnyMachineSnapshot,
  type InspectionEvent,
  SimulatedClock,
} from 'xstate';
import type { AgentContext, RunFact, RunMachineEvent } from '../../src/agent/context.ts';
import { endOf } from '../../src/agent/life.ts';
import { itemsOf } from '../../src/agent/rows.ts';
import { memoryStore } from '../../src/defaults/memory-store.ts';
import { type AgentOptions, type AnyAgent, defineAgent } from '../../src/define-agent.ts';
import { spawned } from '../../src/define-tool.ts';
import type { Job } from '../../src/job.ts';
import type { Run } from '../../src/run/run.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import type { RuntimeOptions } from '../../src/runtime/options.ts';
import { takenIn } from './chart.ts';
import { helper, openOutside } from './outside.ts';
import { cast } from './scripted-runs.ts';

/** A world in which paths are played. */
export type Scene = {
  agent?: Partial<AgentOptions>;
  job?: Job;
  options?: Partial<RuntimeOptions>;
  /** The run is the second of two children, of which one may work at a time; the first holds the slot whenever it can. */
  asChild?: boolean;
};

const rootId = 'root';
const blockerId = childIdOf(callKeyOf(rootId, 1, 0), 0);

/** `STORE=sqlite`: paths are played on a file, which takes its time (`npm run soak`). */
const folder = process.env.STORE === 'sqlite' ? mkdtempSync(join(tmpdir(), 'troupe-paths-')) : undefined;
const file = folder === undefined ? undefined : sqliteStore({ path: join(folder, 'runs.db'), durability: 'normal' });
afterAll(async () => {
  await file?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});
const openStore = async () => {
  await file?.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
  return file ?? memoryStore();
};

export const openStage = async ({ agent, job = 'go', options, asChild = false }: Scene) => {
  const runId = asChild ? childIdOf(callKeyOf(rootId, 1, 0), 1) : rootId;
  cast.plays = (id) => id !== runId && id !== rootId;
  for (const part of [cast.actors, cast.inputs, cast.heard]) part.clear();
  const outside = openOutside();
  const clock = new SimulatedClock();
  const taken = new Set<string>();
  const events: RunEvent[] = [];
  const worker = defineAgent({ name: 'worker', instructions: 'Work.', tools: outside.tools, ...agent });
  const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: outside.tools, budget: { concurrency: 1 } });
  const base = await openStore();
  let mortal = mortalStore(base);
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 2; i++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await mortal.settled();
    }
  };
  /** The program that a path is played in, from start to crash. */
  const live = (agents: readonly AnyAgent[]) => {
    const { store, die: end } = mortal;
    const runtime = createRuntime({
      provider: outside.provider,
      model: 'm',
      clock,
      store,
      leaseMs: 0,
      agents,
      graceMs: 10,
      logger: { warn() {}, error() {} },
      inspect: (event: InspectionEvent) => {
        if (event.type === '@xstate.microstep' && event.actorRef === cast.actors.get(runId))
          takenIn(event._transitions, taken);
      },
      ...options,
      ...(agent?.memoryScope !== undefined && { memory: outside.memory }),
    });
    const told = runtime.events$.subscribe((event) => {
      events.push(event);
    });
    const die = (): void => {
      end();
      told.unsubscribe();
    };
    return { runtime, die };
  };
  let { runtime, die } = live([worker, lead, helper]);

  const root = runtime.start(asChild ? lead : worker, asChild ? 'lead' : job, { runId: rootId });
  await settle();
  if (asChild) {
    outside.open.get('read')?.resolve(undefined);
    await settle();
    const feed = outside.inFlight(rootId)[0];
    feed?.push({ type: 'call', id: 'c', name: 'delegate', arguments: '{"n":0}' });
    feed?.push({ type: 'finish', reason: 'calls' });
    feed?.end();
    await settle();
    const requests = [helper, worker].map((one) => ({ agent: one, job }));
    outside.open.get('call 0')?.resolve(spawned(requests));
    await settle();
  }
  let run: Run<unknown> = asChild ? root.child(runId) : root;
  const actorOf = (id: string): AnyActorRef => cast.actors.get(id) as AnyActorRef;
  const state = (): AnyMachineSnapshot => actorOf(runId).getSnapshot() as AnyMachineSnapshot;
  const childOf = (name: string): AnyActorRef => state().children[name] as AnyActorRef;

  const slotOf = (childId: string) => {
    const { run } = (actorOf(rootId).getSnapshot() as AnyMachineSnapshot).context as AgentContext;
    return run.calls[0]?.[0]?.children.flat().find((child) => child.runId === childId)?.slot;
  };
  /** What a played run tells its parent. */
  const note = (childId: string, fact: RunFact): void => cast.actors.get(childId)?._parent?.send(fact);
  const takeSlot = (): void => {
    if (asChild && slotOf(blockerId) === 'none') note(blockerId, { type: 'slot.wanted', childId: blockerId });
  };

  const play = (event: RunMachineEvent): unknown => {
    const feed = outside.inFlight(runId)[0];
    switch (event.type) {
      case 'pause':
        return run.pause();
      case 'resume':
        return run.resume();
      case 'steer':
        return run.steer(event.text);
      case 'raise':
        return run.raise(event.limits);
      case 'pauseSpawning':
        return run.pauseSpawning();
      case 'resumeSpawning':
        return run.resumeSpawning();
      case 'deliver':
        return actorOf(runId).send(event);
      case 'interrupt':
        return run.interrupt(event.reason);
      case 'answer':
        return run.answer(event.questionId, event.answer);
      case 'turn.closed': {
        const { text, calls, usage, finish } = event.turn;
        if (text) feed?.push({ type: 'text', delta: text });
        for (const call of calls) feed?.push({ type: 'call', ...call });
        feed?.push({ type: 'usage', usage });
        feed?.push({ type: 'finish', reason: finish });
        return feed?.end();
      }
      case 'turn.failed':
        return feed?.end(new FaultError(event.fault.code, event.fault.message));
      case 'model.used':
        return feed?.push({ type: 'usage', usage: event.usage });
      case 'model.attempted':
        return feed?.push({ ...event.attempt, type: 'attempt' } as ModelPart);
      case 'context.summarized':
        feed?.push({ type: 'text', delta: event.summary });
        feed?.push({ type: 'usage', usage: event.usage });
        feed?.push({ type: 'finish', reason: 'stop' });
        return feed?.end();
      case 'memory.recalled':
      case 'memory.stored': {
        const asked = outside.open.get(event.type === 'memory.recalled' ? 'read' : 'write');
        return event.problem === undefined ? asked?.resolve(undefined) : asked?.reject(new Error('no memory'));
      }
      case 'call.spawns': {
        const { context, resolve } = outside.open.get(`call ${event.index}`) ?? {};
        const tool = (state().context as AgentContext).run.calls.flat()[event.index]?.tool;
        const [request] = event.requests;
        if (tool === 'delegate')
          return resolve?.(outside.children(event.requests.length, request?.onPaused ?? 'bubble'));
        return context?.spawn(helper, 'help', { onPaused: request?.onPaused ?? 'bubble' });
      }
      case 'call.settled': {
        const asked = outside.open.get(`call ${event.index}`);
        return event.outcome.status === 'ok' ? asked?.resolve('done') : asked?.reject(new Error('no luck'));
      }
      case 'child.settled':
        return cast.actors
          .get(event.end.childId)
          ?.send({ type: 'test.end', status: event.end.status, exitReason: event.end.exitReason });
      case 'child.paused': {
        const child = cast.actors.get(event.end.childId)?.getSnapshot() as AnyMachineSnapshot;
        return note(event.end.childId, {
          ...event,
          end: endOf((child.context as AgentContext).run, 'paused', 'question'),
        });
      }
      case 'child.resumed':
      case 'child.answered':
      case 'slot.released':
      case 'slot.wanted':
        return note(event.childId, event);
      case 'strays.gone': {
        const runIds = itemsOf((state().context as AgentContext).run.strays ?? []);
        return childOf('crew').send({ type: 'crew.orders', orders: [{ type: 'crew.review', runIds }] });
      }
      case 'slot.granted':
        return note(blockerId, { type: 'slot.released', childId: blockerId });
      case 'detach':
        return actorOf(runId).send(event);
      case 'limit.near':
        return clock.increment(800);
      case 'limit.reached':
        return clock.increment(event.kind === 'idleMs' ? 1_000 : 200);
      case 'stall.noticed':
        return clock.increment(1_000);
      case 'stall.lasted':
        clock.increment(1_000);
        return clock.increment(200);
      case 'grace.over':
        return clock.increment(10);
      case 'context.kept':
      case 'recovered':
      case 'forked':
      case 'warning':
        return;
    }
  };
  /** An actor of the run breaks. The crew breaks where it can: at an order that it cannot obey. */
  const breakActor = (name: string): void =>
    childOf(name).send(
      name === 'crew'
        ? { type: 'crew.orders', orders: [{ type: 'crew.start', childId: 'nobody' }] }
        : ({ type: 'test.break' } as never),
    );

  takeSlot();
  return {
    runId,
    get run() {
      return run;
    },
    events,
    outside,
    taken,
    input: cast.inputs.get(runId),
    state,
    /** Calls that are executed now, by their place in the turn. */
    callActors: (): number[] => {
      const crew = childOf('crew')?.getSnapshot() as { calls?: Map<string, unknown> } | undefined;
      return [...(crew?.calls?.keys() ?? [])].map((id) => Number(id.split('-')[1])).toSorted((a, b) => a - b);
    },
    heardBy: (childId: string): string[] => cast.heard.get(childId) ?? [],
    async play(event: AnyEventObject): Promise<unknown> {
      const broken = /^xstate\.error\.actor\.(.+)$/.exec(event.type)?.[1];
      const receipt = broken === undefined ? play(event as RunMachineEvent) : breakActor(broken);
      // A spawn waits for its child, which may never be; a receipt is there at once.
      const told = event.type === 'call.spawns' ? undefined : await receipt;
      if (event.type === 'call.spawns') void Promise.resolve(receipt).catch(() => {});
      await settle();
      takeSlot();
      await settle();
      return told;
    },
    async pass(ms: number): Promise<void> {
      clock.increment(ms);
      await settle();
    },
    /** Kills the program, and starts it again on what it has stored. @param knows Default: the agents it knew. */
    async restart(knows: readonly AnyAgent[] = [worker, lead, helper]): Promise<void> {
      die();
      outside.forget();
      mortal = mortalStore(base);
      ({ runtime, die } = live(knows));
      await runtime.recover();
      run = await runtime.attach(runId);
      await settle();
    },
    /** Replays the run, which must come to where it is. */
    async replay(): Promise<void> {
      const actor = actorOf(runId);
      const { snapshot } = await runtime.replay(runId);
      cast.actors.set(runId, actor);
      expect(snapshot.value).toEqual(state().value);
    },
    endings: () => events.filter((event) => event.runId === runId && isTerminal(event)),
    async close(): Promise<void> {
      const closed = runtime.close({ runs: 'interrupt', graceMs: 20 });
      await settle();
      clock.increment(20);
      await closed;
      await mortal.settled();
    },
  };
};
export type Stage = Awaited<ReturnType<typeof openStage>>;
