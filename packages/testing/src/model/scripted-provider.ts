import {
  FaultError,
  type Message,
  type ModelContext,
  type ModelOptions,
  type ModelPart,
  type ModelProvider,
  type ModelRequest,
  textOfMessage,
} from '@troupe/protocol';
import { errorOf, partsOf, type Turn, turnOf } from './turn.ts';
import { unlessAborted } from './unless-aborted.ts';

/** Turns in the order they are asked for; the same for each agent by name; or a function that answers for ever. */
export type Script =
  | readonly Turn[]
  | Readonly<Record<string, readonly Turn[]>>
  | ((request: ModelRequest, context: ModelContext) => Turn | Promise<Turn>);

/** One turn that was asked for. */
export type ScriptedRequest = {
  readonly request: ModelRequest;
  readonly context: ModelContext;
  /** True once the signal was aborted before the turn had ended. */
  readonly aborted: boolean;
};

export type ScriptedProvider = ModelProvider & {
  /** Every turn that was asked for, oldest first. */
  readonly requests: readonly ScriptedRequest[];
};

/**
 * A model that says what a script says.
 *
 * A turn counts as asked for when it is first iterated, attempts and repeated turns included: a turn of the script is never
 * given twice. Aborting ends a turn at once with `model.aborted`.
 *
 * @throws FaultError `script.exhausted`, while iterating, when the script has no turn left for the agent.
 */
export const scriptedProvider = (script: Script): ScriptedProvider => {
  const requests: { -readonly [K in keyof ScriptedRequest]: ScriptedRequest[K] }[] = [];
  const nextTurn = readerOf(script);
  let calls = 0;
  const nextId = () => `call_${++calls}`;

  async function* takeTurn(request: ModelRequest, options: ModelOptions): AsyncGenerator<ModelPart, void> {
    const { signal, clock, context } = options;
    const asked = { request, context, aborted: signal.aborted };
    requests.push(asked);
    const mark = () => {
      asked.aborted = true;
    };
    signal.addEventListener('abort', mark, { once: true });
    try {
      const next = nextTurn(request, context);
      const turn = turnOf(next instanceof Promise ? await unlessAborted(signal, settling(next)) : next);
      const { delayMs = 0 } = turn;
      if (delayMs > 0) {
        await unlessAborted<void>(signal, (resolve) => {
          const timer = clock.setTimeout(resolve, delayMs);
          return () => clock.clearTimeout(timer);
        });
      }
      for (const part of partsOf(turn, nextId)) {
        if (signal.aborted) break;
        yield part;
      }
      if (turn.hang || signal.aborted) await unlessAborted(signal, () => () => {});
      if (turn.throws) throw turn.throws;
      if (turn.fault) throw errorOf(turn.fault);
    } finally {
      signal.removeEventListener('abort', mark);
    }
  }

  return { name: 'scripted', requests, takeTurn };
};

const settling =
  <T>(promise: Promise<T>) =>
  (resolve: (value: T) => void, reject: (error: unknown) => void) => {
    promise.then(resolve, reject);
    return () => {};
  };

type Reader = (request: ModelRequest, context: ModelContext) => Turn | Promise<Turn>;

const readerOf = (script: Script): Reader => {
  if (typeof script === 'function') return script;
  const given = new Map<string, number>();
  return (request, context) => {
    const { list, name } = partFor(script, context.agent);
    const n = given.get(name) ?? 0;
    given.set(name, n + 1);
    const turn = list[n];
    if (turn === undefined) throw exhausted(list.length, request, context);
    return turn;
  };
};

const partFor = (script: Exclude<Script, Reader>, agent: string): { list: readonly Turn[]; name: string } => {
  if (isList(script)) return { list: script, name: '' };
  return { list: (Object.hasOwn(script, agent) ? script[agent] : undefined) ?? [], name: agent };
};

const isList = (script: Script): script is readonly Turn[] => Array.isArray(script);

const exhausted = (length: number, { messages }: ModelRequest, { agent, runId, turn }: ModelContext): FaultError => {
  const last = messages.at(-1);
  return new FaultError(
    'script.exhausted',
    `Agent "${agent}" (run "${runId}") asks for turn ${turn}, but the script's ${length} turns for it are used up. ` +
      `Its last message: ${last ? shown(last) : 'none'}. Add a turn to the script, or find out why the agent goes on.`,
    { runId, details: { agent, turn, length } },
  );
};

const shown = (message: Message): string => {
  const text = textOfMessage(message);
  return `${message.role}: ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`;
};
