/** Terminal columns, not characters: wide letters and emoji take two, combining marks none. */
const graphemes = new Intl.Segmenter();

const invisible = /^[\p{Mark}\p{Format}\p{Control}]+$/u;
const emoji = /^\p{RGI_Emoji}/v;
/** East Asian wide and full-width letters. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;
const plain = /^[\x20-\x7e]*$/;

const columnsOf = (grapheme: string): number => {
  if (invisible.test(grapheme)) return 0;
  return emoji.test(grapheme) || wide.test(grapheme) ? 2 : 1;
};

/** The letters of a text, as people count them: what is drawn as one is one. */
export const lettersOf = (text: string): string[] => Array.from(graphemes.segment(text), ({ segment }) => segment);

/** How many columns a terminal gives to one line of text without control sequences. */
export const textWidth = (text: string): number => {
  if (plain.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of graphemes.segment(text)) columns += columnsOf(segment);
  return columns;
};

/** The text in at most `columns` columns; `…` stands for what was cut off. */
export const fitTo = (text: string, columns: number): string => {
  // What is far behind is not measured.
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += columnsOf(segment);
    if (used > columns) return columns < 1 ? '' : `${kept}…`;
    if (used < columns) kept += segment;
  }
  return text;
};

/** The end of the text in at most `columns` columns. */
export const endOf = (text: string, columns: number): string => {
  const letters = lettersOf(text);
  let left = columns;
  let from = letters.length;
  while (from > 0 && columnsOf(letters[from - 1] ?? '') <= left) {
    from -= 1;
    left -= columnsOf(letters[from] ?? '');
  }
  return letters.slice(from).join('');
};

/** The text followed by as many blanks as it takes to fill `columns`. */
export const padTo = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - textWidth(text)));

/**
 * Text that a terminal cannot take for a command: what comes from models and files could hold escape sequences, or marks that
 * turn the direction of writing. Line breaks and tabs stay.
 */
export const harmless = (text: string): string =>
  text
    .replaceAll(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what this removes
      /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|[@-Z\\^_])?/g,
      '',
    )
    .replaceAll('\r\n', '\n')
    .replaceAll(/[^\P{Control}\n\t]/gu, ' ')
    .replaceAll(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');

/** {@link harmless} text on one line: names and messages in rows. */
export const oneLine = (text: string): string => harmless(text).replaceAll(/\s+/g, ' ').trim();
