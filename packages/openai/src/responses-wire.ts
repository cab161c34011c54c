import type { ModelRequest } from '@troupe/protocol';
import type OpenAI from 'openai';
import { outputFormat, parametersOf } from './output-format.ts';
import { effortOf } from './reasoning-effort.ts';
import { responsesInput } from './responses-input.ts';
import { responsesParts } from './responses-stream.ts';
import type { Wire, WireOptions } from './wire.ts';

type ResponsesBody = OpenAI.Responses.ResponseCreateParamsStreaming;

/**
 * A request as Responses takes it. Settings that only the vendor knows go along unchanged. The vendor keeps nothing
 * (`store: false`) unless the settings say so: every turn sends its whole conversation.
 */
export const responsesBody = (request: ModelRequest, options: WireOptions): ResponsesBody => {
  const { temperature, maxOutputTokens, reasoning, tools: vendorTools, text, ...vendor } = request.settings ?? {};
  const effort = effortOf(reasoning, request.model);
  const thinking = {
    ...(effort !== undefined && { effort }),
    ...(options.reasoningSummary !== undefined && { summary: options.reasoningSummary }),
  };
  const tools = [
    ...request.tools.map((tool) => responsesTool(tool, options)),
    ...(Array.isArray(vendorTools) ? vendorTools : []),
  ];
  const format = request.output && {
    format: { type: 'json_schema' as const, ...outputFormat(request.output, options.strictSchemas) },
  };
  return {
    store: false,
    ...(temperature !== undefined && { temperature }),
    ...(maxOutputTokens !== undefined && { max_output_tokens: maxOutputTokens }),
    ...(Object.keys(thinking).length > 0 && { reasoning: thinking }),
    ...vendor,
    ...((text !== undefined || format) && { text: { ...(text as object | undefined), ...format } }),
    ...(tools.length > 0 && { tools }),
    model: request.model,
    input: responsesInput(request.messages),
    stream: true,
  };
};

const responsesTool = (
  { name, description, inputSchema }: ModelRequest['tools'][number],
  { strictSchemas = false }: WireOptions,
): OpenAI.Responses.FunctionTool => ({
  type: 'function',
  name,
  description,
  parameters: parametersOf(inputSchema),
  // Said either way: on this wire a tool without the word is strict.
  strict: strictSchemas,
});

/** Responses, OpenAI's newer protocol. */
export const responsesWire: Wire = {
  open: (client, request, options, signal) => client.responses.create(responsesBody(request, options), { signal }),
  read: responsesParts,
};
