import {
  type Clock,
  type FaultError,
  isFaultError,
  type ModelPart,
  type ModelProvider,
  type ModelRequest,
} from '@troupe/protocol';

const wallClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};

/** A clock that stands still until it is told to go on. */
export const stoppedClock = (start = 0) => {
  let now = start;
  const timers = new Map<object, { at: number; callback: () => void }>();
  return {
    now: () => now,
    setTimeout: (callback: () => void, ms: number) => {
      const id = {};
      timers.set(id, { at: now + ms, callback });
      return id;
    },
    clearTimeout: (id: unknown) => void timers.delete(id as object),
    waiting: () => timers.size,
    advance: (ms: number) => {
      now += ms;
      for (const [id, { at, callback }] of timers) {
        if (at > now) continue;
        timers.delete(id);
        callback();
      }
    },
  } satisfies Clock & Record<string, unknown>;
};

export type TurnOptions = { signal?: AbortSignal; clock?: Clock; turn?: number; onPart?: (part: ModelPart) => void };

/** One turn of a model, everything that it said put together. */
export const turnOf = async (
  provider: ModelProvider,
  request: Partial<ModelRequest>,
  { signal = new AbortController().signal, clock = wallClock, turn = 1, onPart }: TurnOptions = {},
) => {
  const parts: ModelPart[] = [];
  const context = { runId: 'run_1', rootId: 'run_1', agent: 'tester', turn, depth: 0, key: `run_1/${turn}` };
  const whole: ModelRequest = { model: 'gpt-5-mini', messages: [], tools: [], ...request };
  for await (const part of provider.takeTurn(whole, { signal, clock, context })) {
    parts.push(part);
    onPart?.(part);
  }
  return told(parts);
};

/** What parts say together. */
export const told = (parts: readonly ModelPart[]) => ({
  parts,
  text: parts.map((part) => (part.type === 'text' ? part.delta : '')).join(''),
  deltas: parts.filter((part) => part.type === 'text').length,
  reasoning: parts.map((part) => (part.type === 'reasoning' ? part.delta : '')).join(''),
  calls: parts.flatMap((part) =>
    part.type === 'call' ? [{ id: part.id, name: part.name, arguments: part.arguments }] : [],
  ),
  usage: parts.findLast((part) => part.type === 'usage')?.usage,
  finish: parts.flatMap((part) => (part.type === 'finish' ? [part.reason] : [])),
});

/** The fault that something ends with. */
export const faultIn = async (turn: Promise<unknown>): Promise<FaultError> => {
  const error = await turn.then(
    () => new Error('The turn succeeded.'),
    (thrown: unknown) => thrown,
  );
  if (!isFaultError(error)) throw error;
  return error;
};

/** Everything that an error could tell, at any depth. */
export const everythingIn = (error: unknown): string => {
  const seen: string[] = [];
  for (let at: any = error; at !== undefined && at !== null; at = at.cause) {
    seen.push(String(at), String(at.stack), JSON.stringify(at, Object.getOwnPropertyNames(at)));
    if (typeof at.toFault === 'function') seen.push(JSON.stringify(at.toFault()));
  }
  return seen.join('\n');
};
