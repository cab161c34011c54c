import { codeOfServerError } from './fault-code.ts';
import { StreamError } from './faults.ts';

type Fetch = typeof globalThis.fetch;

/**
 * A `fetch` whose answers the client can read: errors have OpenAI's envelope, `{ error: { message … } }`, and what is whole comes as a
 * stream. Older vLLM, FastAPI servers and proxies have other envelopes, some servers do not stream though they were asked to, and the
 * client throws away what it does not find.
 *
 * @throws StreamError where an answer of 200 tells of an error, or comes from no model's server.
 */
export const withReadableAnswers =
  (fetch: Fetch): Fetch =>
  async (input, init) => {
    const response = await fetch(input, init);
    if (response.status < 400) return isStream(response) ? response : streamed(response);
    const body = enveloped(await response.text().catch(() => ''));
    return answer(response, body, 'application/json');
  };

const isStream = ({ headers }: Response): boolean => !/\b(json|html)\b/i.test(headers.get('content-type') ?? '');

const answer = (response: Response, body: string, contentType: string): Response => {
  const headers = new Headers(response.headers);
  for (const name of ['content-length', 'content-encoding']) headers.delete(name);
  headers.set('content-type', contentType);
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
};

/** What an answer says that is told to be no stream, as one. */
const streamed = async (response: Response): Promise<Response> => {
  const text = await response.text();
  const type = response.headers.get('content-type');
  // A stream all the same, under a wrong name.
  if (/^\s*(data|event|id|retry)?:/.test(text)) return answer(response, text, 'text/event-stream');
  const told = parsed(text);
  const whole = typeof told === 'object' && told !== null ? (told as Record<string, unknown>) : {};
  if (whole.error) {
    const { message, code, type } = (JSON.parse(enveloped(text)) as { error: Record<string, unknown> }).error;
    const said = String(message);
    throw new StreamError(codeOfServerError({ status: 400, code, type, message: said }), said, code);
  }
  if (Array.isArray(whole.choices)) return answer(response, `data: ${JSON.stringify(whole)}\n\n`, 'text/event-stream');
  if (whole.object === 'response')
    return answer(
      response,
      `data: ${JSON.stringify({ type: 'response.completed', response: whole })}\n\n`,
      'text/event-stream',
    );
  throw new StreamError(
    'model.misconfigured',
    `No model answers there, for what came is ${type} and no stream: "${text.trim().slice(0, 200)}"`,
  );
};

/** An error as OpenAI tells it. Gemini's stands in a list. */
const enveloped = (text: string): string => {
  const all = parsed(text);
  const told: unknown = Array.isArray(all) ? all[0] : all;
  if (typeof told !== 'object' || told === null)
    return JSON.stringify({ error: { message: text.trim() || 'no message' } });
  const { error, message, detail, ...rest } = told as Record<string, unknown>;
  if (typeof error === 'object' && error !== null) return JSON.stringify(told);
  const said = error ?? message ?? detail ?? text;
  return JSON.stringify({ error: { ...rest, message: typeof said === 'string' ? said : JSON.stringify(said) } });
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
