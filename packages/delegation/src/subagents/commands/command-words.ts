/** The words of a command, as somebody types them. */
export type Word = {
  /** Without its quotes. */
  text: string;
  /** Quoted words are never flags. */
  isQuoted: boolean;
  /** Where it stands in the text, quotes included: from here, up to here. */
  start: number;
  end: number;
};

const isBlank = (text: string, at: number): boolean => /\s/.test(text[at] ?? '');
const isEscape = (text: string, at: number): boolean => text[at] === '\\' && /["\\]/.test(text[at + 1] ?? '');

/** Where a quote is closed: by the same mark at the end of a word. -1: it is not. */
const closingOf = (text: string, from: number, quote: string): number => {
  for (let at = from; at < text.length; at += 1) {
    if (quote === '"' && isEscape(text, at)) at += 1;
    else if (text[at] === quote && (at + 1 === text.length || isBlank(text, at + 1))) return at;
  }
  return -1;
};

const flagBefore = /--[a-z][a-z-]*=/iy;

/**
 * Cuts a text into words. A quote, `"` or `'`, opens at the beginning of a word, or of the value of a `--flag=`, and closes at the end of
 * one; any other is a letter like others, so that "don't" is one word. Inside of `"` a backslash makes `"` and `\` plain. Takes time by
 * the length of the text, whatever it is.
 */
export const wordsOf = (text: string): Word[] => {
  const words: Word[] = [];
  /** What is not closed from here on is not closed from further on. */
  const open = new Set<string>();
  let at = 0;
  for (;;) {
    while (at < text.length && isBlank(text, at)) at += 1;
    if (at >= text.length) return words;
    const start = at;
    flagBefore.lastIndex = at;
    const [flag = ''] = flagBefore.exec(text) ?? [];
    const quote = text[at + flag.length] ?? '';
    const from = at + flag.length + 1;
    const isTried = (quote === '"' || quote === "'") && !open.has(quote);
    const closing = isTried ? closingOf(text, from, quote) : -1;
    if (isTried && closing < 0) open.add(quote);
    if (closing >= 0) {
      const inside = text.slice(from, closing);
      at = closing + 1;
      const value = quote === '"' ? inside.replaceAll(/\\(["\\])/g, '$1') : inside;
      words.push({ text: `${flag}${value}`, isQuoted: flag === '', start, end: at });
    } else {
      while (at < text.length && !isBlank(text, at)) at += 1;
      words.push({ text: text.slice(start, at), isQuoted: false, start, end: at });
    }
  }
};

/** Words that a shell has cut already: one that holds blanks was quoted there. */
export const shellWords = (cut: readonly string[]): Word[] => {
  let start = 0;
  return cut.map((text) => {
    const word = {
      text,
      isQuoted: /\s/.test(text) && !/^--[a-z][a-z-]*=/i.test(text),
      start,
      end: start + text.length,
    };
    start = word.end + 1;
    return word;
  });
};
