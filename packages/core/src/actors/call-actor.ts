import {
  callKeyOf,
  childIdOf,
  FaultError,
  faultOf,
  type JSONValue,
  messageOf,
  type Question,
  type Report,
  redact,
  toJSON,
} from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { RunFact, SpawnRequest } from '../agent/context.ts';
import { tightest } from '../agent/limits.ts';
import { asToolResult, type CallOutcome, notExecuted, outcomeOf, type ToolResult } from '../agent/outcome.ts';
import { countOf, itemAt } from '../agent/rows.ts';
import { isUnit, ownProviderOf } from '../background/unit.ts';
import { checkSpawn } from '../check-handover.ts';
import type { Agent } from '../define-agent.ts';
import {
  type ChildRequest,
  type Dispatched,
  isDispatched,
  isSpawned,
  type SettleContext,
  type Spawned,
  type Tool,
  type ToolContext,
} from '../define-tool.ts';
import type { Job } from '../job.ts';
import type { LiveRun, PendingSpawn } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';
import type { World } from '../runtime/world.ts';
import { check, resultOfTool } from './check.ts';
import { lateProperties } from './late.ts';
import { LazyAbort } from './lazy-abort.ts';
import { isSpawningHeld, viewOf } from './view.ts';

/** What a call is started with; with `settled` it makes one result of its children. */
export type CallInput = {
  runId: string;
  index: number;
  turn: number;
  callId: string;
  tool: string;
  arguments: JSONValue;
  given?: JSONValue;
  kind?: Question['kind'];
  settled?: SettledChildren;
};

/** Children of a call that have ended, in order: what they came to, and what they were made of. */
export type SettledChildren = Pick<SettleContext, 'data' | 'round'> & { reports: Report[] };

/** One call, executing. Stopping it aborts its signal; what it says afterwards is not heard. */
type Execution = {
  world: World;
  run: LiveRun;
  input: CallInput;
  tool: Tool;
  abort: LazyAbort;
  children: string[];
  /** How often the attempt in hand has asked for a child by `spawn`. */
  spawns: number;
  tell(fact: RunFact): void;
};

/** The call as its run knows it. */
const callNow = ({ run: { context }, input }: Execution) => context && itemAt(context.calls, input.index);

/** The key of the call: the same whenever it is executed again. */
const keyOf = ({ run, input }: Execution): string => callKeyOf(run.runId, input.turn, input.index);

/** Runs one tool call beside the others of its turn and tells the run how it ended. */
export const callActor = (world: World) =>
  fromCallback<AnyEventObject, CallInput>(({ input, self, sendBack }) => {
    const run = world.runs.get(input.runId);
    const abort = new LazyAbort();
    const tell = (fact: RunFact) => {
      if (!abort.aborted && !run?.ended) run?.actor?.send(fact);
    };
    const tool = run?.tools.get(input.tool);
    if (!run) throw new Error(`Run "${input.runId}" is not alive here.`);
    if (!tool) {
      const error = `Tool not found: ${input.tool}. It was there when the call was made, and is gone.`;
      tell({ type: 'call.settled', index: input.index, outcome: outcomeOf({ error }) });
      return sendBack({ type: 'crew.settled', id: self.id });
    }
    const execution: Execution = { world, run, input, tool, abort, children: [], spawns: 0, tell };
    void answer(execution).then((outcome) => {
      if (outcome) tell({ type: 'call.settled', index: input.index, outcome: withPreview(tool, outcome) });
      sendBack({ type: 'crew.settled', id: self.id });
    });
    return () => abort.abort(() => new FaultError('call.cancelled', `The call "${input.tool}" was cancelled.`));
  });

const withPreview = ({ previewLength }: Tool, outcome: CallOutcome): CallOutcome =>
  previewLength === undefined ? outcome : { ...outcome, previewLength };

/** What came of the call; `null` where that is yet to come, of its children. Whatever throws is an error in the result. */
const answer = async (execution: Execution): Promise<CallOutcome | null> => {
  const { run, input, tool, abort } = execution;
  try {
    await run.writing;
    if (input.settled) return await close(execution, input.settled);
    if (hasLostSecret(execution))
      return notExecuted(
        'error',
        `Not executed: the arguments of "${tool.name}" held a secret, and it is gone since the restart: secrets are not stored. Call again.`,
      );
    if (input.kind === 'handoff') return outcomeOf(asToolResult(input.given));
    const args = argumentsOf(execution);
    const hooked = tool.before || tool.after ? hookCallOf(execution, args) : undefined;
    if (hooked) for (const hook of tool.before ?? []) await hook.run(hooked);
    const checked = await check(tool.inputSchema, args);
    const { result, flags }: Attempted =
      'problem' in checked
        ? { result: { error: `The arguments of "${tool.name}" do not fit: ${checked.problem}` } }
        : await attempt(execution, checked.value);
    // A call that has ended meanwhile asks for nothing: whatever it took would never be given back.
    if (abort.aborted && (isSpawned(result) || isDispatched(result))) return null;
    // Its children are counted in one line, and its result is made of those alone that it asked for last.
    if (isSpawned(result) && execution.spawns > 0)
      return outcomeOf({
        error: `"${tool.name}" started runs with "spawn" and then returned "spawned": those were not started. Use one of the two in a call.`,
      });
    if (isSpawned(result)) {
      if (!tool.settle)
        return outcomeOf({
          error: `Tool "${tool.name}" gave back "spawned" and has no "settle" to make a result of the runs: none was started. Give it one, or use "spawn" of its context.`,
        });
      if (result.requests.length === 0) return await close(execution, { reports: [], data: [], round: 0 });
      ask(execution, result.requests, 0, { allOrNone: result.allOrNone });
      return null;
    }
    const given = isDispatched(result) ? await dispatch(execution, args, result) : result;
    return outcomeOf(hooked ? await afterHooks(execution, hooked, given) : given, flags);
  } catch (error) {
    return outcomeOf({ error: redact(messageOf(error)) });
  }
};

/** Stores keep no secrets: what a call was brought back with may lack one. */
const hasLostSecret = ({ run, input }: Execution): boolean =>
  input.turn === run.restoredTurn &&
  JSON.stringify([input.arguments, isUnit(run) && run.made?.data]).includes('[redacted]');

/** What its tool is given: with what a person answered, where one was asked for it. */
const argumentsOf = ({ input, tool }: Execution): unknown =>
  input.kind === 'input'
    ? { ...(input.arguments as object), [tool.inputKey ?? 'user_input']: input.given }
    : input.arguments;

type HookCall = Parameters<NonNullable<Tool['before']>[number]['run']>[0];

const hookCallOf = ({ run, input, tool }: Execution, args: unknown): HookCall => ({
  tool: tool.name,
  callId: input.callId,
  runId: run.runId,
  arguments: toJSON(args),
});

const dispatch = (execution: Execution, args: unknown, { dispatch: unit }: Dispatched): Promise<ToolResult> => {
  const { world, run, input, tool, abort } = execution;
  const call = {
    key: keyOf(execution),
    callId: input.callId,
    tool,
    input: toJSON(args),
    isCancelled: () => abort.aborted,
  };
  return world.dispatch(run, call, unit);
};

const afterHooks = async ({ tool }: Execution, call: HookCall, result: ToolResult): Promise<ToolResult> => {
  let out = result;
  for (const hook of tool.after ?? []) {
    try {
      await hook.run(call, out);
    } catch (error) {
      const problem = `Post-hook error: ${redact(messageOf(error))}`;
      out = { ...out, error: out.error === undefined ? problem : `${out.error} ${problem}` };
    }
  }
  return out;
};

/** Rounds of children of one call, where its tool does not say how many. */
const defaultRounds = 10;

const close = async (execution: Execution, { reports, data, round }: SettledChildren): Promise<CallOutcome | null> => {
  const { tool, input, run, world } = execution;
  if (!tool.settle)
    return outcomeOf({ error: `Tool "${tool.name}" started runs without a "settle" to make a result of them.` });
  try {
    const checked = await check(tool.inputSchema, input.arguments);
    const { maxRounds = defaultRounds } = tool;
    const hasEnded = run.context?.end !== undefined;
    const provider = ownProviderOf(run.agent);
    const context: SettleContext = {
      runId: run.runId,
      callId: input.callId,
      key: keyOf(execution),
      view: viewOf(run, world),
      tools: run.tools,
      ...(provider && { provider }),
      data,
      round,
      final: hasEnded || round >= maxRounds,
    };
    const settled = await tool.settle(
      reports,
      ('value' in checked ? checked.value : input.arguments) as never,
      context,
    );
    if (!isSpawned(settled)) return outcomeOf(asToolResult(settled));
    // Stopped meanwhile: whoever asks in its place asks for what is missing then.
    if (execution.abort.aborted) return null;
    const { requests, allOrNone } = settled;
    const refuse = (why: string) =>
      outcomeOf({ error: `The "settle" of tool "${tool.name}" asked for more runs: ${why}` });
    if (hasEnded) return refuse('the run has ended, and starts none. Where its context is "final", give a result.');
    if (round >= maxRounds)
      return refuse(
        `each call has ${maxRounds} rounds of them at most. Where its context is "final", give a result, or raise maxRounds.`,
      );
    if (requests.length === 0) return refuse('it named none. Expected one request or more, or a result.');
    ask(execution, requests, countOf(callNow(execution)?.children ?? []), { allOrNone });
    return null;
  } catch (error) {
    return outcomeOf({ error: redact(messageOf(error)) });
  }
};

type Attempted = {
  result: ToolResult | Spawned | Dispatched;
  flags?: Pick<CallOutcome, 'timedOut' | 'cancelled'>;
};

/** Runs the tool, again as often as it allows. */
const attempt = (execution: Execution, value: unknown): Promise<Attempted> =>
  execution.tool.retries ? persist(execution, value, execution.tool.retries) : once(execution, value);

/** A call that was cancelled is not tried again. */
const persist = async (execution: Execution, value: unknown, retries: number): Promise<Attempted> => {
  const { tool, abort, world, run, input } = execution;
  const { retryDelayMs = 0 } = tool;
  const note = (text: string) => world.tellLive(run, { type: 'call.progressed', callId: input.callId, note: text });
  for (let number = 0; ; number++) {
    const attempted = await once(execution, value);
    const { result } = attempted;
    const failed = !isSpawned(result) && !isDispatched(result) && result.error !== undefined;
    if (!failed || number >= retries || abort.aborted) return attempted;
    const waitMs = retryDelayMs * 2 ** number;
    note(`Retry attempt ${number + 1}/${retries}${waitMs > 0 ? ` in ${waitMs} ms` : ''}`);
    if (waitMs > 0) await wait(world, waitMs, abort);
    if (abort.aborted) return { result: { error: 'Cancelled during retry wait' }, flags: { cancelled: true } };
  }
};

const wait = (world: World, ms: number, abort: LazyAbort): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      world.clock.clearTimeout(timer);
      abort.signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = world.clock.setTimeout(done, ms);
    abort.signal.addEventListener('abort', done);
  });

const once = (execution: Execution, value: unknown): Promise<Attempted> =>
  execution.tool.timeoutMs === undefined
    ? execute(execution, value, execution.abort)
    : limited(execution, value, execution.tool.timeoutMs);

/** @param own Of this attempt. */
const execute = async (execution: Execution, value: unknown, own: LazyAbort): Promise<Attempted> => {
  const { tool, abort } = execution;
  if (abort.aborted) return { result: { error: 'Cancelled' }, flags: { cancelled: true } };
  try {
    const output = await tool.execute(value as never, contextOf(execution, own));
    if (isSpawned(output) || isDispatched(output)) return { result: output };
    return { result: tool.outputSchema ? await resultOfTool(tool, output) : asToolResult(output) };
  } catch (error) {
    return { result: { error: redact(messageOf(error)) } };
  }
};

const limited = async (execution: Execution, value: unknown, timeoutMs: number): Promise<Attempted> => {
  const { world, tool, abort } = execution;
  const own = new LazyAbort();
  const work = execute(execution, value, own);
  let timer: unknown;
  const onAbort = () => own.abort(() => abort.signal.reason);
  abort.signal.addEventListener('abort', onAbort);
  // The tool itself may have interrupted its run, before anybody listened.
  if (abort.aborted) onAbort();
  const late = new Promise<Attempted>((resolve) => {
    timer = world.clock.setTimeout(() => {
      const error = `"${tool.name}" timed out after ${timeoutMs} ms`;
      own.abort(() => new FaultError('call.timeout', error));
      for (const childId of execution.children)
        world
          .actorOf(execution.run, childId)
          ?.send({ type: 'interrupt', reason: error, exitReason: 'parent_interrupted' });
      resolve({ result: { error }, flags: { timedOut: true } });
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    world.clock.clearTimeout(timer);
    abort.signal.removeEventListener('abort', onAbort);
    // What the tool left running has no call any more.
    own.abort(() => new FaultError('call.ended', `The call "${tool.name}" has ended.`));
  }
};

const whileItExecutes = lateProperties<
  { execution: Execution; own: LazyAbort },
  Pick<ToolContext, 'signal' | 'view' | 'runs'>
>({
  signal: ({ own }) => own.signal,
  view: ({ execution: { run, world } }) => viewOf(run, world),
  runs: ({ execution: { run, world } }) => world.runsBelow(run),
});

const contextOf = (execution: Execution, own: LazyAbort): ToolContext => {
  const { world, run, input } = execution;
  // The n-th of an attempt is the n-th child of the call, also when an attempt before this one started it.
  execution.spawns = 0;
  const provider = ownProviderOf(run.agent);
  const context = {
    runId: run.runId,
    callId: input.callId,
    key: keyOf(execution),
    tools: run.tools,
    ...(provider && { provider }),
    progress: (note: string) => {
      if (!own.aborted) world.tellLive(run, { type: 'call.progressed', callId: input.callId, note: String(note) });
    },
    spawn: <T>(agent: Agent<T>, job: Job, options: Parameters<ToolContext['spawn']>[2] = {}) =>
      new Promise<Run<T>>((resolve, reject) => {
        if (own.aborted)
          return reject(
            world.refusal(`The call "${input.tool}" has ended: it can start no more runs.`, { kind: 'ended' }),
          );
        checkSpawn(agent);
        const childId = ask(execution, [{ agent, job, ...options }], execution.spawns++, {
          accept: (child) => resolve(world.handleOf(child) as never),
          refuse: reject,
        });
        if (childId) execution.children.push(childId);
      }),
  };
  return whileItExecutes(context, { execution, own });
};

/** Asks the run for children; it admits or refuses each. Gives back the id of the first. */
const ask = (
  execution: Execution,
  requests: readonly ChildRequest[],
  from: number,
  { allOrNone = false, ...reply }: Pick<PendingSpawn, 'accept' | 'refuse'> & { allOrNone?: boolean } = {},
): string | undefined => {
  const { world, run, input, tool, tell } = execution;
  const callKey = keyOf(execution);
  const asked = requests.map((request, i): SpawnRequest => {
    const childId = childIdOf(callKey, from + i);
    const { agent, quota, onPaused = 'bubble' } = request;
    const job = typeof request.job === 'string' ? undefined : request.job;
    const budget = tightest(request.budget, job?.budget);
    const data = {
      agent: agent.name,
      tools: (job?.tools ?? agent.tools).length,
      onPaused,
      ...(budget && { budget }),
      ...(agent.budget && { agentBudget: agent.budget }),
    };
    try {
      world.prepare(run, childId, request, reply);
    } catch (error) {
      const { message } = faultOf(error, 'job.invalid');
      // Nobody has taken note of it, who would tell the tool that waits.
      reply.refuse?.(world.refusal(message, { kind: 'invalid' }));
      return { ...data, refused: { kind: 'invalid', message } };
    }
    if (isSpawningHeld(run.runId, world))
      return {
        ...data,
        refused: {
          kind: 'paused',
          message: `"${agent.name}" was not started: spawning is paused. Try again later, or do this work yourself.`,
        },
      };
    const isThere = itemAt(callNow(execution)?.children ?? [], from + i) !== undefined;
    if (quota && !isThere && !world.quotas.take(quota.key, quota.max, childId))
      return { ...data, refused: { kind: 'quota', limit: quota.max, message: quota.message } };
    return data;
  });
  const asks = { index: input.index, from, at: world.clock.now(), requests: asked };
  const awaited = tool.settle && reply.accept && { awaited: true as const };
  tell({ type: 'call.spawns', ...asks, ...(allOrNone && { allOrNone }), ...awaited });
  return childIdOf(callKey, from);
};
