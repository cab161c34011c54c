/** The first `max` UTF-16 units of a text, one less where a character would be cut in two. */
export const beginningOf = (text: string, max: number): string => text.slice(0, max).replace(/[\uD800-\uDBFF]$/, '');

/** A text of at most `max` UTF-16 units, `…` at its end when there was more. No character is cut in two. */
export const shorten = (text: string, max: number): string => {
  if (text.length <= max) return text;
  if (max < 1) return '';
  return `${beginningOf(text, max - 1)}…`;
};
