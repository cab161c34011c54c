import { setTimeout as sleep } from 'node:timers/promises';
import { FaultError } from '@troupe/protocol';
import type { Connection } from './find-model.ts';
import type { Reply } from './rehearsal/conversation.ts';
import { rehearse } from './rehearsal/rehearse.ts';

export interface Rehearsal extends AsyncDisposable {
  /** The name to ask for. */
  readonly model: 'rehearsal';
  readonly connection: Required<Connection>;
  close(): Promise<void>;
}

/** Text in pieces of this many characters, this many milliseconds apart. */
const chunkSize = 120;
const chunkMs = 4;

/**
 * Serves the rehearsal model over HTTP on the loopback address: a deterministic stand-in for a language model that speaks
 * Chat Completions, so everything but the thinking is real. What it does depends on the request alone.
 *
 * @param options.thinkMs How long each turn takes to begin. Default 250, so that there is something to watch.
 * @throws FaultError `rehearsal.unavailable` without the optional package @copilotkit/aimock.
 */
export const startRehearsal = async ({ thinkMs = 250 }: { thinkMs?: number } = {}): Promise<Rehearsal> => {
  const { LLMock } = await import('@copilotkit/aimock').catch((cause: unknown) => {
    throw new FaultError(
      'rehearsal.unavailable',
      'The rehearsal model needs the package @copilotkit/aimock, which is not installed. Install it, or set OPENAI_API_KEY, or start a local model server.',
      { cause },
    );
  });
  // The journal of requests would keep every conversation in memory.
  const server = new LLMock({
    port: 0,
    host: '127.0.0.1',
    logLevel: 'silent',
    chunkSize,
    latency: chunkMs,
    journalMaxEntries: 1,
  });
  server.on({ predicate: () => true }, async (request) => {
    await sleep(thinkMs);
    return wireReply(rehearse(request), request);
  });
  await server.start();

  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= server.stop();
    return closed;
  };
  return {
    model: 'rehearsal',
    connection: { apiKey: 'none', baseURL: `${server.url}/v1` },
    close,
    [Symbol.asyncDispose]: close,
  };
};

/** A reply as the server sends it. Tokens are counted by length, four characters each. */
const wireReply = (reply: Reply, request: { messages: unknown; tools?: unknown }) => {
  const tokens = (value: unknown) => Math.ceil(JSON.stringify(value ?? '').length / 4);
  const usage = { prompt_tokens: tokens(request.messages) + tokens(request.tools), completion_tokens: tokens(reply) };
  if ('text' in reply) return { content: reply.text, usage };
  return {
    toolCalls: reply.calls.map(({ name, arguments: input }) => ({ name, arguments: JSON.stringify(input) })),
    usage,
  };
};
