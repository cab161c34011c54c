import {
  FaultError,
  faultOf,
  type ModelPart,
  type ModelRequest,
  messageOf,
  noUsage,
  redact,
  redactParts,
  type ToolCall,
  toJSON,
  type Usage,
} from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { TurnInput } from '../agent/agent-setup.ts';
import type { ClosedTurn, GivenTurn, PlannedCall, RunFact } from '../agent/context.ts';
import { jsonValuesIn } from '../agent/json-in.ts';
import { checkPart, partsOf } from '../model/sound-parts.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';
import { attempted, priced, usageIn } from './attempted.ts';
import { check } from './check.ts';
import { LazyAbort } from './lazy-abort.ts';
import { planCall } from './plan-call.ts';
import { turnOptions } from './turn-options.ts';
import { oneView, specsOf } from './view.ts';

type Tell = (fact: RunFact) => void;

/** Takes one turn and tells the run: its deltas as they come, then one `turn.closed` or `turn.failed`. Stopping it aborts the request. */
export const modelActor = (world: World) =>
  fromCallback<AnyEventObject, TurnInput>(({ input, sendBack }) => {
    const run = world.runs.get(input.runId);
    if (!run) throw new Error(`Run "${input.runId}" is not alive here.`);
    const abort = new LazyAbort();
    const tell: Tell = (fact) => {
      if (!abort.aborted) sendBack(fact);
    };
    run.partial = '';
    void takeTurn(world, run, input, abort, tell).catch((error: unknown) =>
      tell({ type: 'turn.failed', fault: faultOf(error, 'model.failed') }),
    );
    return () => abort.abort(() => new FaultError('model.aborted', 'The run does not need this answer any more.'));
  });

const requestOf = (run: LiveRun, model: string, world: World): ModelRequest => {
  const { agent, outputSchema } = run;
  return {
    model,
    messages: run.transcript.slice(),
    tools: specsOf(run, world),
    ...(outputSchema && {
      output: {
        name: agent.name.replace(/[^\w-]+/g, '_').slice(0, 64) || 'answer',
        schema: run.outputJSONSchema ?? {},
      },
    }),
    ...(agent.settings && { settings: agent.settings }),
  };
};

/** An answer that is there already, as a provider would have given it. */
const givenParts = async function* ({
  text,
  reasoning,
  calls,
  usage,
  model,
  finish,
}: GivenTurn): AsyncGenerator<ModelPart> {
  if (reasoning) yield { type: 'reasoning', delta: reasoning };
  if (text) yield { type: 'text', delta: text };
  for (const call of calls) yield { type: 'call', ...call };
  yield { type: 'usage', usage, ...(model !== undefined && { model }) };
  yield { type: 'finish', reason: finish };
};

const takeTurn = async (
  world: World,
  run: LiveRun,
  { turn, given }: TurnInput,
  abort: LazyAbort,
  tell: Tell,
): Promise<void> => {
  await run.writing;
  if (abort.aborted) return;
  const { provider, model } = world.providerOf(run.model, run);
  if (world.unknownPrice === 'deny' && world.priceOf(run.model, noUsage) === null)
    throw new FaultError(
      'price.unknown',
      `No price is known for model "${run.model}", and unknownPrice is "deny". Give the runtime a price, or allow unknown ones.`,
    );

  let text = '';
  let reasoning = '';
  let calls: ToolCall[] = [];
  let usage: Usage = noUsage;
  let answering = run.model;
  let finish: ClosedTurn['finish'] | undefined;
  const parts = given
    ? givenParts(given)
    : partsOf(provider, requestOf(run, model, world), turnOptions(world, run, turn, abort));
  // A model says a secret in parts, too: what may be the beginning of one is told once it is known to be none.
  let spoken = redactParts();
  let thought = redactParts();
  const stream = (type: 'text.streamed' | 'reasoning.streamed', delta: string): void => {
    if (delta !== '' && !abort.aborted) world.tellLive(run, { type, delta });
  };
  const tellText = (delta: string): void => {
    run.partial = spoken.held === 0 ? text : text.slice(0, -spoken.held);
    stream('text.streamed', delta);
  };
  const take = (part: ModelPart): void => {
    switch (part.type) {
      case 'text':
        text += part.delta;
        return tellText(spoken.add(part.delta));
      case 'reasoning':
        reasoning += part.delta;
        return stream('reasoning.streamed', thought.add(part.delta));
      case 'call':
        calls.push({ id: part.id, name: part.name, arguments: part.arguments });
        return;
      case 'usage':
        usage = usageIn(part.usage);
        answering = part.model ?? run.model;
        run.used = priced(world, answering, usage);
        return;
      case 'attempt': {
        const fact = attempted(world, run, model, part, usage);
        spoken = redactParts();
        thought = redactParts();
        text = run.partial = reasoning = '';
        calls = [];
        usage = noUsage;
        return tell(fact);
      }
      case 'finish':
        finish = part.reason;
    }
  };
  for await (const part of parts) {
    if (abort.aborted) return;
    // Also where nothing is told of it yet.
    run.progressAt = world.clock.now();
    checkPart(part, provider, model);
    take(part);
  }
  if (abort.aborted) return;
  if (!finish)
    throw new FaultError(
      'model.stream_cut',
      `The provider of "${run.model}" ended its answer without saying why. Expected a "finish" part.`,
      { retryable: true },
    );
  stream('reasoning.streamed', thought.end());
  tellText(spoken.end());
  if (abort.aborted) return;

  const isCut = finish === 'length' || finish === 'filter';
  const planned = calls.length === 0 ? [] : await plannedCalls(world, run, calls, isCut);
  const output = calls.length === 0 && run.outputSchema && text.trim() !== '' ? await outputOf(run, text) : undefined;
  const costUsd = world.priceOf(answering, usage);
  if (costUsd === null) warnOfPrice(world, run, answering, tell);
  tell({
    type: 'turn.closed',
    turn: {
      text,
      ...(reasoning && { reasoning }),
      calls,
      planned,
      usage,
      costUsd,
      finish,
      ...(answering !== run.model && { model: answering }),
      ...(output && { output }),
    },
  });
};

/** Calls as their tools understand them. */
const plannedCalls = (
  world: World,
  run: LiveRun,
  calls: readonly ToolCall[],
  isCut: boolean,
): Promise<PlannedCall[]> => {
  const view = oneView(run, world);
  return Promise.all(calls.map((call) => planCall(call, run.tools, view, isCut)));
};

/** The first JSON of an answer that fits; where none does, what is wrong with the last. */
const outputOf = async ({ outputSchema }: LiveRun, text: string): Promise<NonNullable<ClosedTurn['output']>> => {
  let problem = 'the answer holds no JSON.';
  if (!outputSchema) return { problem };
  for (const value of jsonValuesIn(text)) {
    try {
      const checked = await check(outputSchema, value);
      if ('value' in checked) return { data: toJSON(checked.value) };
      problem = checked.problem;
    } catch (error) {
      problem = `the outputSchema threw: ${redact(messageOf(error))}`;
    }
  }
  return { problem };
};

const warned = new WeakSet<LiveRun>();
/** Says once a run that its cost is not known, where somebody counts it. */
const warnOfPrice = (world: World, run: LiveRun, model: string, tell: Tell): void => {
  const counts = world.pricing !== undefined || run.context?.allowance.limits.costUsd !== undefined;
  if (!counts || warned.has(run)) return;
  warned.add(run);
  tell({
    type: 'warning',
    code: 'price.unknown',
    message: `No price is known for model "${model}": its cost counts as 0. Add it to the runtime's pricing, or set unknownPrice to "deny".`,
  });
};
