export type { ModelFaultCode } from './fault-code.ts';
export type { OpenAIOptions } from './openai-options.ts';
export { openai } from './openai-provider.ts';
