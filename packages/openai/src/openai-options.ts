/** How to reach a server, and how it wants to be spoken to. Everything has a default. */
export type OpenAIOptions = {
  /** Default: `OPENAI_API_KEY`. Servers other than OpenAI may need none. It never shows in a fault. */
  apiKey?: string;
  /** Default: `OPENAI_BASE_URL`, or OpenAI itself. */
  baseURL?: string;
  /** The protocol. `chat` is Chat Completions, which compatible servers speak too. Default: `chat`. */
  wire?: 'chat' | 'responses';
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** Default: `OPENAI_ORG_ID`. */
  organization?: string;
  /** Default: `OPENAI_PROJECT_ID`. */
  project?: string;
  /** Instead of the platform's `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Milliseconds that the server may be silent, before its answer and inside it. Default: 300 000. */
  timeoutMs?: number;
  /** Shown in `turn.attempted` and in faults. Default: `openai`. */
  name?: string;
  /**
   * Whether schemas are sent as strict ones. `true`: those of answers and tools, which must then keep to the rules of strict
   * mode. `false`: none. Default: those of answers that keep to the rules.
   */
  strictSchemas?: boolean;
  /** What servers call the limit of an answer on `chat`; older compatible ones know only `max_tokens`. Default: `max_completion_tokens`. */
  tokenLimit?: 'max_completion_tokens' | 'max_tokens';
  /** `false` for servers that refuse `stream_options` on `chat`; usage is then unknown. Default: `true`. */
  includeUsage?: boolean;
  /** On `responses`: asks for a summary of the model's reasoning. OpenAI gives it to verified organizations only. Default: none. */
  reasoningSummary?: 'auto' | 'concise' | 'detailed';
};
