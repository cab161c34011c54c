/**
 * Milliseconds that a server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date; else as its message says it.
 *
 * @param now Epoch milliseconds, for the date.
 */
export const retryAfterMsOf = (headers: Headers | undefined, now: number, message = ''): number | undefined =>
  saidInHeaders(headers, now) ?? retryInMs(message);

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** As Gemini and OpenAI write it: "Please retry in 26.2s.", "Please try again in 6m0s." */
export const retryInMs = (message: string): number | undefined => {
  const [, time] = /\b(?:re)?try (?:again )?in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)/i.exec(message) ?? [];
  if (time === undefined) return undefined;
  const parts = time.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/gi);
  return Math.round([...parts].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit?.toLowerCase() as 's'], 0));
};

const saidInHeaders = (headers: Headers | undefined, now: number): number | undefined => {
  const ms = numberIn(headers?.get('retry-after-ms'));
  if (ms !== undefined) return ms;
  const text = headers?.get('retry-after');
  const seconds = numberIn(text);
  if (seconds !== undefined) return Math.round(seconds * 1000);
  // A date begins with its day; other texts, such as -1, would be taken for years.
  const date = text && /^[a-z]{3}/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
};

const numberIn = (text: string | null | undefined): number | undefined => {
  const number = text?.trim() ? Number(text) : Number.NaN;
  return Number.isFinite(number) && number >= 0 ? number : undefined;
};
