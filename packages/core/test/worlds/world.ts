/** Plays a plan on a real runtime, and keeps what everybody saw. */
import { isLive, isTerminal, isWithin, type RunEvent, type StoredEvent } from '@troupe/protocol';
import { createActor, SimulatedClock, setup } from 'xstate';
import { memoryStore } from '../../src/defaults/memory-store.ts';
import type { Run } from '../../src/run/run.ts';
import { agentLogic } from '../../src/runtime/agent-logic.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import type { RuntimeOptions } from '../../src/runtime/options.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { type Outside, openOutside, type Work } from './outside.ts';
import type { Command, Plan } from './plan.ts';

export type World = {
  plan: Plan;
  runtime: Runtime;
  outside: Outside;
  /** Everything that was told, in order. */
  events: RunEvent[];
  /** What readers that joined later were given, by root. */
  joined: { rootId: string; events: RunEvent[] }[];
  roots: Run[];
  ended: Set<string>;
  suspended: boolean;
  /** Roots that were still alive when everything had been answered, resumed and waited for. */
  left: string[];
  /** What worked for a run that had ended, or was interrupted. */
  ghosts: Work[];
  /** Whether closing has begun, and has ended. */
  shut: boolean;
  closed: boolean;
  /** What commands threw. */
  thrown: unknown[];
};

const macrotask = setImmediate;
/** Lets everything that is ready to happen, happen. Takes no time of any clock. */
const settle = (): Promise<void> => new Promise((resolve) => macrotask(resolve));

const throwing = (what: string) => (): never => {
  throw new Error(`${what} throws`);
};

const settleSoon = (): Promise<void> => Promise.resolve().then(() => {});
/** Answers a little later, in order. */
const slowly = (store: ReturnType<typeof memoryStore>): NonNullable<RuntimeOptions['store']> => ({
  ...store,
  commit: async (commit) => {
    await settleSoon();
    return store.commit(commit);
  },
});

const optionsOf = (plan: Plan, clock: SimulatedClock, outside: Outside): RuntimeOptions => {
  const { features, rude, budget } = plan;
  let ids = 0;
  const store = memoryStore();
  return {
    provider: outside.provider,
    model: 'some-model',
    clock,
    ids: { next: (kind) => `${kind}${ids++}` },
    budget: { ...budget, depth: Math.min(budget.depth ?? 3, 3) },
    graceMs: 10,
    store: features.includes('slow store') ? slowly(store) : store,
    logger: rude.includes('logger')
      ? { warn: throwing('logger'), error: throwing('logger') }
      : { warn() {}, error() {} },
    ...(features.includes('prices') && {
      pricing: {
        price: (model, usage) => (model === 'other' ? null : (usage.inputTokens + usage.outputTokens) / 1_000),
      },
    }),
    ...(features.includes('memory') && { memory: memoryStore() }),
    ...(features.includes('broken memory') && {
      memory: { ...memoryStore(), read: throwing('memory'), write: () => Promise.reject(new Error('memory rejects')) },
    }),
    ...(rude.includes('hooks') && { hooks: { childStart: throwing('hook'), childStop: throwing('hook') } }),
    ...(rude.includes('inspector') && { inspect: throwing('inspector') }),
  };
};

export const live = async (plan: Plan): Promise<World> => {
  const clock = new SimulatedClock();
  const outside = openOutside(plan, clock);
  const runtime = createRuntime(optionsOf(plan, clock, outside));
  const world: World = {
    plan,
    runtime,
    outside,
    events: [],
    joined: [],
    roots: [],
    ended: new Set(),
    suspended: false,
    left: [],
    ghosts: [],
    shut: false,
    closed: false,
    thrown: [],
  };
  const { events, ended, roots, joined } = world;
  const abort = new AbortController();
  const runIds: string[] = [];
  const letGo = new Set<string>();

  const start = (): void => {
    if (roots.length > 2) return;
    roots.push(runtime.start(outside.agent, 'go', { signal: abort.signal }));
  };
  const handleOf = (who: number): Run | undefined => {
    const runId = runIds[who % runIds.length];
    const root = roots.find(({ id }) => runId === id || runId?.startsWith(`${id}/`));
    return root && (root.id === runId ? root : root.child(runId as string));
  };
  const shut = (how: Plan['end']): Promise<void> => {
    if (!world.shut) world.suspended = how === 'suspend';
    world.shut = true;
    return runtime.close(
      how === 'suspend' ? { runs: 'suspend' } : { runs: 'interrupt', graceMs: how === 'close at once' ? 0 : 30 },
    );
  };
  /** An interrupt reaches everything below at once, but for what was let go. */
  const listen = (runId: string): void => {
    const isAlone = (id: string) => [...letGo].some((other) => isWithin(id, other));
    for (const work of outside.working)
      if (isWithin(work.runId, runId) && !isAlone(work.runId) && !work.signal.aborted) world.ghosts.push(work);
  };
  const attempt = (command: Command | 'close' | 'suspend', who: number): unknown => {
    const run = handleOf(who);
    const [question] = roots.flatMap((root) => root.questions);
    switch (command) {
      case 'pause':
        return run?.pause();
      case 'resume':
        return run?.resume();
      case 'steer':
        return run?.steer('hurry');
      case 'interrupt': {
        const receipt = run?.interrupt();
        if (run) listen(run.id);
        return receipt;
      }
      case 'answer':
        return question && runtime.answer(question.id, true);
      case 'decline':
        return question && run?.answer(question.id, { decline: 'no' });
      case 'mumble':
        return question && runtime.answer(question.id, 'perhaps');
      case 'abort':
        return abort.abort();
      case 'start':
        return start();
      case 'stop spawning':
        return runtime.pauseSpawning();
      case 'allow spawning':
        return runtime.resumeSpawning();
      case 'join': {
        const root = roots[who % roots.length];
        if (!root) return;
        const seen: RunEvent[] = [];
        joined.push({ rootId: root.id, events: seen });
        return runtime.events({ rootId: root.id }).subscribe((event) => seen.push(event));
      }
      case 'close':
      case 'suspend':
        return shut(command);
    }
  };
  /** A command may be refused; it may not break anything. */
  const act = (command: Command | 'close' | 'suspend', who: number): void => {
    void (async () => attempt(command, who))().catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'runtime.closed') world.thrown.push(error);
    });
  };

  runtime.events$.subscribe((event) => {
    if (event.seq === 1 && !isLive(event)) runIds.push(event.runId);
    if (isTerminal(event)) ended.add(event.runId);
    if (event.type === 'run.detached') letGo.add(event.runId);
    events.push(event);
    for (const reaction of plan.reactions) if (reaction.at === events.length) act(reaction.command, reaction.who);
  });
  if (plan.rude.includes('subscriber')) runtime.events$.subscribe(throwing('subscriber'));

  let stopMachine = () => {};
  if (plan.features.includes('in a machine')) {
    const machine = setup({ actors: { worker: agentLogic(outside.agent, runtime) } }).createMachine({
      initial: 'working',
      states: {
        working: { invoke: { src: 'worker', input: 'go', onDone: 'done', onError: 'broken' } },
        done: {},
        broken: {},
      },
    });
    const actor = createActor(machine, { clock }).start();
    await settle();
    const [run] = await runtime.runs.list();
    if (run) roots.push(await runtime.attach(run.runId));
    stopMachine = () => actor.stop();
  } else start();

  /** Whoever worked for a run that has ended must have been told to stop. */
  const look = (): void => {
    for (const work of outside.working) if (ended.has(work.runId) && !work.signal.aborted) world.ghosts.push(work);
  };
  const pass = async (ms: number): Promise<void> => {
    await settle();
    clock.increment(ms);
    await settle();
    look();
  };

  for (const { command, who, ms } of plan.steps) {
    if (command !== 'nothing') act(command, who);
    if (ms > 0) await pass(ms);
  }

  // Then everybody is patient: whatever waits for a person or a resume gets it, and time passes.
  runtime.resumeSpawning();
  const isQuiet = () => runIds.length > 0 && runIds.every((id) => ended.has(id));
  let told = -1;
  for (let rounds = 0; rounds < 5 && !isQuiet() && !world.shut; rounds++) {
    if (events.length > told) rounds = 0;
    told = events.length;
    for (let who = 0; who < runIds.length; who++) if (!ended.has(runIds[who] as string)) act('resume', who);
    act('answer', 0);
    await pass(25);
  }
  if (!world.shut) world.left = runIds.filter((id) => !ended.has(id) && roots.some((root) => root.id === id));

  if (plan.end === 'interrupt') for (const root of roots) void root.interrupt();
  if (plan.end === 'stop') stopMachine();
  let closed = false;
  void shut(plan.end).then(() => {
    closed = true;
  });
  for (let i = 0; i < 10 && !closed; i++) await pass(25);
  world.closed = closed;
  await settle();
  look();
  return world;
};

/** Stored events only. */
export const storedIn = (events: readonly RunEvent[]): StoredEvent[] =>
  events.filter((event): event is StoredEvent => !isLive(event));
