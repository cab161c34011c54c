/** JSON in what a model says: alone, in a code fence, or in prose that may have brackets of its own. */

/** JSON out of an answer that may wrap it in a code fence or in prose; `undefined` when there is none. */
export const jsonIn = (text: string): unknown => jsonValuesIn(text).next().value;

/**
 * All JSON of an answer: the whole of it, or else what stands in code fences, then every object and array in the order of the text. What
 * stands inside one of those is no value of its own, nor is the beginning of one that is cut off. Reads the text a fixed number of times.
 */
export function* jsonValuesIn(text: string): Generator<unknown, undefined> {
  const whole = parsed(text);
  if (whole) return yield whole.value;
  for (const [index, piece] of text.split('```').entries()) {
    const fenced = index % 2 === 1 ? parsed(piece.replace(/^json/i, '')) : undefined;
    if (fenced) yield fenced.value;
  }
  for (let from = nextIn(text, 0); from >= 0; ) {
    const { until, isClosed } = readFrom(text, from);
    const found = isClosed ? parsed(text.slice(from, until)) : undefined;
    if (found) yield found.value;
    from = nextIn(text, until);
  }
}

const parsed = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
};

const nextIn = (text: string, from: number): number => {
  const bracket = /[{[]/g;
  bracket.lastIndex = from;
  return bracket.exec(text)?.index ?? -1;
};

const closing: Record<string, string> = { '{': '}', '[': ']' };

/** Where what is opened here is closed; where it is not, as far as it is made of what JSON is made of. */
const readFrom = (text: string, from: number): { until: number; isClosed: boolean } => {
  const token = /[ \t\n\r]*("|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[[\]{},:])/y;
  const open: string[] = [];
  let until = from;
  for (token.lastIndex = from; ; until = token.lastIndex) {
    const said = token.exec(text)?.[1];
    if (said === undefined) return { until, isClosed: false };
    if (said === '"') {
      const end = endOfText(text, token.lastIndex);
      if (end < 0) return { until, isClosed: false };
      token.lastIndex = end;
      continue;
    }
    const close = closing[said];
    if (close !== undefined) open.push(close);
    else if (said === '}' || said === ']') {
      if (open.pop() !== said) return { until, isClosed: false };
      if (open.length === 0) return { until: token.lastIndex, isClosed: true };
    }
  }
};

/** Behind the text that begins here; -1 where it is not closed in its line. By hand: a pattern runs out of stack in megabytes of escapes. */
const endOfText = (text: string, from: number): number => {
  for (let at = from; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') return at + 1;
    if (sign === '\n') return -1;
    if (sign === '\\') at++;
  }
  return -1;
};
