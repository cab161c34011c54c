import { FaultError, type ModelOptions, type ModelPart, type ModelProvider, type ModelRequest } from '@troupe/protocol';
import { chatWire } from './chat-wire.ts';
import { checkOptions } from './check-options.ts';
import { type Asked, abortedFault, modelFault, silenceFault } from './faults.ts';
import { KeptConnection } from './kept-connection.ts';
import { openAIClient, shownURL } from './openai-client.ts';
import type { OpenAIOptions } from './openai-options.ts';
import { patientFetch } from './patient-fetch.ts';
import { withReadableAnswers } from './readable-answers.ts';
import { responsesWire } from './responses-wire.ts';
import { SilenceWatch } from './silence.ts';
import { toolNames } from './tool-names.ts';
import type { WireOptions } from './wire.ts';

/**
 * Models of OpenAI, and of every server that speaks one of its two protocols. Every turn streams, is sent once, and ends with
 * `finish` or a `FaultError`: retries are `withRetry`'s.
 *
 * @throws FaultError `model.misconfigured` when options are none or misspelt, baseURL is none that can be asked, or the wire is none; `model.unauthorized` when OpenAI itself is asked without a key.
 */
export const openai = (options: OpenAIOptions = {}): ModelProvider => {
  checkOptions(options);
  const { name = 'openai', timeoutMs = 300_000, fetch = patientFetch, strictSchemas, reasoningSummary } = options;
  const client = openAIClient(options);
  const url = shownURL(client.baseURL);
  const wire = wireOf(options.wire ?? 'chat');
  const how: WireOptions = {
    tokenLimit: options.tokenLimit ?? 'max_completion_tokens',
    includeUsage: options.includeUsage ?? true,
    ...(strictSchemas !== undefined && { strictSchemas }),
    ...(reasoningSummary !== undefined && { reasoningSummary }),
  };

  async function* takeTurn(request: ModelRequest, { signal, clock, context }: ModelOptions): AsyncGenerator<ModelPart> {
    const asked: Asked = { provider: name, url, model: request.model, now: () => clock.now() };
    const silence = new SilenceWatch(clock, timeoutMs);
    try {
      signal.throwIfAborted();
      silence.start();
      const ending = AbortSignal.any([signal, silence.signal]);
      const connection = new KeptConnection(clock, ending, () => silence.heard());
      const hearing = client.withOptions({ fetch: withReadableAnswers(connection.over(fetch)) });
      const names = toolNames(request);
      const stream = await wire.open(hearing, names.sent(request), how, ending);
      yield* names.known(wire.read(silence.over(stream), context.turn, () => connection.complete()));
    } catch (error) {
      // The client ends an aborted stream without a word, which then looks like one that was cut.
      if (signal.aborted) throw abortedFault(asked);
      if (silence.signal.aborted) throw silenceFault(asked, timeoutMs);
      throw modelFault(error, asked);
    } finally {
      silence.stop();
    }
  }

  return { name, takeTurn };
};

const wires = { chat: chatWire, responses: responsesWire };

const wireOf = (name: keyof typeof wires) => {
  if (Object.hasOwn(wires, name)) return wires[name];
  throw new FaultError(
    'model.misconfigured',
    `There is no wire "${String(name)}". Expected one of ${Object.keys(wires).join(', ')}.`,
  );
};
