import { codeOfServerError, httpStatus } from './fault-code.ts';
import { StreamError } from './faults.ts';

type Fetch = typeof globalThis.fetch;
type Body = ConstructorParameters<typeof Response>[0];

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

const answer = (response: Response, body: Body, contentType: string): Response => {
  const headers = new Headers(response.headers);
  for (const name of ['content-length', 'content-encoding']) headers.delete(name);
  headers.set('content-type', contentType);
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
};
const events = 'text/event-stream';

/** What an answer says that is told to be no stream, as one. */
const streamed = async (response: Response): Promise<Response> => {
  // Not every `fetch` has bodies as the web has them.
  if (!(response.body instanceof ReadableStream)) return response;
  const [shown, body] = response.body.tee();
  // A stream all the same, under a wrong name: it is read as it comes.
  if (/^\s*(data|event|id|retry)?:/.test(await beginningOf(shown))) return answer(response, body, events);
  const text = await new Response(body).text();
  const told = parsed(text);
  const whole = typeof told === 'object' && told !== null ? (told as Record<string, unknown>) : {};
  // A response that failed says so itself.
  if (whole.error && whole.object !== 'response') {
    const { message, code, type } = (JSON.parse(enveloped(text)) as { error: Record<string, unknown> }).error;
    const said = String(message);
    throw new StreamError(
      codeOfServerError({ status: httpStatus(code) ?? 400, code, type, message: said }),
      said,
      code,
    );
  }
  const event = Array.isArray(whole.choices)
    ? whole
    : whole.object === 'response' && { type: 'response.completed', response: whole };
  if (event) return answer(response, `data: ${JSON.stringify(event)}\n\n`, events);
  throw new StreamError(
    'model.misconfigured',
    `No model answers there, for what came is ${response.headers.get('content-type')} and no stream: "${text.trim().slice(0, 200)}"`,
  );
};

/** The first piece of a body that says something; nobody needs the rest of this one. */
const beginningOf = async (body: ReadableStream<Uint8Array>): Promise<string> => {
  const reader = body.getReader();
  try {
    for (let text = ''; ; ) {
      const { done, value } = await reader.read();
      text += new TextDecoder().decode(value);
      // The first word of a stream may come in pieces.
      if (done || !['data:', 'event:', 'id:', 'retry:'].some((word) => word.startsWith(text.trim()))) return text;
      if (text.trim().endsWith(':')) return text;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
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
