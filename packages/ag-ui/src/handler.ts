import { EventType, type RunAgentInput } from '@ag-ui/core';
import type { Logger } from '@troupe/protocol';
import { type DoorOptions, enter, preflight } from './door.ts';
import { ignoredIn, jobOf } from './job-of.ts';
import { readInput } from './read-input.ts';
import { Refusal, refusalOf } from './refusal.ts';
import { pending, resume } from './resume.ts';
import type { ServedRun, ServedRuntime } from './runtime-port.ts';
import { agUiResponse, type ConnectionOptions } from './sse.ts';
import type { StreamOptions } from './translation.ts';

export type AgUiOptions<A> = DoorOptions &
  ConnectionOptions &
  Pick<StreamOptions, 'custom'> & {
    /** Where runs are started: what `createRuntime` gives. */
    runtime: ServedRuntime<A>;
    /** Who is asked; a function where that depends on the request. What it throws is answered with 500. */
    agent: A | ((input: RunAgentInput, request: Request) => A | Promise<A>);
    /**
     * The session of a thread. Default: the thread's id as it is, so that whoever knows the id goes on with the conversation: say here
     * whose it is, for example `${userOf(request)}/${input.threadId}`. `null` refuses the request with 403.
     */
    sessionKey?: (input: RunAgentInput, request: Request) => string | null | Promise<string | null>;
    /** The largest body that is read. Default 4 MiB: images may come in it. */
    maxBytes?: number;
    /** Told of requests that failed for a reason that the client is not told. Default: nobody. */
    logger?: Pick<Logger, 'error'>;
  };

/**
 * Serves an agent to AG-UI front ends: takes a `RunAgentInput` by POST, sends what is new in it to the session of its thread, or gives
 * the answers in `resume` to the run that asked, and streams the run as server-sent events. A request that is sent again gets the same
 * run again. One that is not served gets a 4xx or 5xx status, and a `RUN_ERROR` event as JSON that says why.
 *
 * It authenticates nobody: put that in front of it, and see `sessionKey`, `hosts` and `origins`.
 */
export const agUiHandler = <A extends object>(options: AgUiOptions<A>): ((request: Request) => Promise<Response>) => {
  const { runtime, agent, sessionKey = ({ threadId }) => threadId, maxBytes = 4 * 1024 * 1024, logger } = options;
  const agentFor = async (input: RunAgentInput, request: Request): Promise<A> =>
    typeof agent === 'function' ? agent(input, request) : agent;

  const keyFor = async (input: RunAgentInput, request: Request): Promise<string> => {
    const key = await sessionKey(input, request);
    if (key === null) throw new Refusal(403, 'thread.refused', `Thread "${input.threadId}" is not yours.`);
    return key;
  };
  /** A new run of the thread, or the one that this request started before. */
  const start = async (input: RunAgentInput, request: Request, key: string): Promise<ServedRun> => {
    const job = jobOf(input);
    const there = await runtime.runs.get(input.runId);
    if (there && there.sessionKey !== key)
      throw new Refusal(409, 'run.exists', `Run "${input.runId}" exists in another thread. Use a new runId.`);
    const session = runtime.session(await agentFor(input, request), { sessionKey: key });
    const [current] = there ? [] : await session.runs();
    if (current?.status === 'paused' && current.questions.length > 0) throw pending(current.questions);
    return session.send(job, { runId: input.runId });
  };

  const serve = async (request: Request): Promise<Response> => {
    const input = await readInput(request, maxBytes);
    const { threadId, runId, parentRunId, resume: entries = [] } = input;
    const key = await keyFor(input, request);
    const about = {
      ...options,
      threadId,
      runId,
      ignored: ignoredIn(input),
      ...(parentRunId !== undefined && { parentRunId }),
    };
    if (entries.length === 0) return agUiResponse(await start(input, request, key), about);
    const run = await resume(runtime, key, entries);
    return agUiResponse(run, { ...about, answering: entries.map(({ interruptId }) => interruptId) });
  };

  return async (request) => {
    let allowed: Record<string, string> = {};
    try {
      allowed = enter(request, options);
      if (request.method === 'OPTIONS') return preflight(allowed);
      const response = await serve(request);
      for (const [name, value] of Object.entries(allowed)) response.headers.set(name, value);
      return response;
    } catch (error) {
      const { status, code, message, headers, details } = refusalOf(error);
      const metadata = details && { metadata: { troupe: details } };
      if (status >= 500) logger?.error('An AG-UI request failed.', { error });
      return Response.json(
        { type: EventType.RUN_ERROR, code, message, ...metadata },
        { status, headers: { ...allowed, ...headers } },
      );
    }
  };
};
