type Fetch = typeof globalThis.fetch;

/**
 * A `fetch` whose error answers all have OpenAI's envelope, `{ error: { message … } }`. Older vLLM, FastAPI servers and
 * proxies have others, and the client throws away what it does not find in it.
 */
export const withReadableErrors =
  (fetch: Fetch): Fetch =>
  async (input, init) => {
    const response = await fetch(input, init);
    if (response.status < 400) return response;
    const body = enveloped(await response.text().catch(() => ''));
    const headers = new Headers(response.headers);
    for (const name of ['content-length', 'content-encoding']) headers.delete(name);
    headers.set('content-type', 'application/json');
    return new Response(body, { status: response.status, statusText: response.statusText, headers });
  };

const enveloped = (text: string): string => {
  const told = parsed(text);
  if (typeof told !== 'object' || told === null)
    return JSON.stringify({ error: { message: text.trim() || 'no message' } });
  const { error, message, detail, ...rest } = told as Record<string, unknown>;
  if (typeof error === 'object' && error !== null) return text;
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
