import type { ModelRequest } from '@troupe/protocol';
import type OpenAI from 'openai';
import { chatMessages } from './chat-messages.ts';
import { chatParts } from './chat-stream.ts';
import { outputFormat, parametersOf } from './output-format.ts';
import { effortOf } from './reasoning-effort.ts';
import type { Wire, WireOptions } from './wire.ts';

type ChatBody = OpenAI.ChatCompletionCreateParamsStreaming;

/** A request as Chat Completions takes it. Settings that only the vendor knows go along unchanged. */
export const chatBody = (request: ModelRequest, options: WireOptions): ChatBody => {
  const { temperature, maxOutputTokens, reasoning, tools: vendorTools, ...vendor } = request.settings ?? {};
  const effort = effortOf(reasoning, request.model);
  const tools = [
    ...request.tools.map((tool) => chatTool(tool, options)),
    ...(Array.isArray(vendorTools) ? vendorTools : []),
  ];
  return {
    ...(options.includeUsage && { stream_options: { include_usage: true } }),
    ...(temperature !== undefined && { temperature }),
    ...(maxOutputTokens !== undefined && { [options.tokenLimit]: maxOutputTokens }),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...vendor,
    ...(request.output && {
      response_format: {
        type: 'json_schema' as const,
        json_schema: outputFormat(request.output, options.strictSchemas),
      },
    }),
    ...(tools.length > 0 && { tools }),
    model: request.model,
    messages: chatMessages(request.messages),
    stream: true,
  };
};

const chatTool = (
  { name, description, inputSchema }: ModelRequest['tools'][number],
  { strictSchemas }: WireOptions,
): OpenAI.ChatCompletionFunctionTool => ({
  type: 'function',
  // Left out unless asked for: not every compatible server knows the word.
  function: { name, description, parameters: parametersOf(inputSchema), ...(strictSchemas && { strict: true }) },
});

/** Chat Completions, which OpenAI and nearly every compatible server speak. */
export const chatWire: Wire = {
  open: (client, request, options, signal) => client.chat.completions.create(chatBody(request, options), { signal }),
  read: chatParts,
};
