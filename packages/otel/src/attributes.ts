/**
 * The names under which spans say what they are: those of the OpenTelemetry conventions for generative AI, and `troupe.*` for what these
 * have no word for. The conventions are in development, so their names are written down here and nowhere else.
 *
 * @see https://github.com/open-telemetry/semantic-conventions-genai
 */
import type { Attributes } from '@opentelemetry/api';
import type { EventOf, RunEvent, Usage } from '@troupe/protocol';

export const key = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  agent: 'gen_ai.agent.name',
  conversation: 'gen_ai.conversation.id',
  compacted: 'gen_ai.conversation.compacted',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  firstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  tool: 'gen_ai.tool.name',
  toolType: 'gen_ai.tool.type',
  callId: 'gen_ai.tool.call.id',
  callArguments: 'gen_ai.tool.call.arguments',
  callResult: 'gen_ai.tool.call.result',
  errorType: 'error.type',
  status: 'troupe.status',
  runId: 'troupe.run.id',
  rootId: 'troupe.root.id',
  parentId: 'troupe.run.parent_id',
  depth: 'troupe.run.depth',
  joined: 'troupe.run.joined',
  exitReason: 'troupe.run.exit_reason',
  reason: 'troupe.run.reason',
  turns: 'troupe.run.turns',
  toolCalls: 'troupe.run.tool_calls',
  activeMs: 'troupe.run.active_ms',
  turn: 'troupe.turn',
  attempts: 'troupe.turn.attempts',
  summarized: 'troupe.context.summarized',
  kept: 'troupe.context.kept',
  costUsd: 'troupe.usage.cost_usd',
  link: 'troupe.link',
} as const;

/** Attributes without those that are not there: the API leaves undefined ones undefined behaviour. */
export const defined = (attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));

export const usageAttributes = ({ inputTokens, outputTokens, cachedTokens, reasoningTokens, costUsd }: Usage) =>
  defined({
    [key.inputTokens]: inputTokens,
    [key.outputTokens]: outputTokens,
    [key.cachedTokens]: cachedTokens,
    [key.reasoningTokens]: reasoningTokens,
    [key.costUsd]: costUsd,
  });

/** The text before the first `/` of a model id, which names its provider wherever a runtime has several. */
export const providerIn = (model: string): string => /^([^/]+)\//.exec(model)?.[1] ?? '_OTHER';

/** Why a model stopped, in the words of the conventions. */
export const finishReasonOf = (finish: EventOf<'turn.completed'>['finish']): string =>
  ({ stop: 'stop', calls: 'tool_call', length: 'length', filter: 'content_filter' })[finish];

/** What a moment in the life of a run says beside its type. Nothing that a model, a tool or a person said. */
const momentsOf: { [T in RunEvent['type']]?: (event: EventOf<T>) => Attributes } = {
  'run.paused': ({ reason }) => ({ 'troupe.reason': reason }),
  'run.resumed': ({ by }) => ({ 'troupe.by': by }),
  'run.steered': () => ({}),
  'run.recovered': () => ({}),
  'run.detached': () => ({}),
  'run.forked': ({ from, changed }) => ({ 'troupe.from': from, 'troupe.changed': changed }),
  'child.refused': ({ code, limit }) => ({ 'troupe.code': code, 'troupe.limit': limit }),
  'budget.warned': ({ kind, spent, limit }) => ({ 'troupe.kind': kind, 'troupe.spent': spent, 'troupe.limit': limit }),
  'budget.exhausted': ({ kind, spent, limit }) => ({
    'troupe.kind': kind,
    'troupe.spent': spent,
    'troupe.limit': limit,
  }),
  'budget.raised': ({ budget, by }) => ({ 'troupe.by': by, 'troupe.budget': JSON.stringify(budget) }),
  'spawning.paused': ({ by }) => ({ 'troupe.by': by }),
  'spawning.resumed': ({ by }) => ({ 'troupe.by': by }),
  'memory.read': ({ scope, key: name, found }) => ({
    'troupe.scope': scope,
    'troupe.key': name,
    'troupe.found': found,
  }),
  'memory.written': ({ scope, key: name }) => ({ 'troupe.scope': scope, 'troupe.key': name }),
  'policy.applied': ({ policy, decision, subject }) => ({
    'troupe.policy': policy,
    'troupe.decision': decision,
    'troupe.subject': subject,
  }),
  'warning.raised': ({ code }) => ({ 'troupe.code': code }),
};

/** The attributes of a moment worth an event on the span of its run, or `undefined`. */
export const momentOf = (event: RunEvent): Attributes | undefined => {
  const tell = momentsOf[event.type] as ((event: RunEvent) => Attributes) | undefined;
  return tell && defined(tell(event));
};
