import { shorten } from '@troupe/protocol';

/** A text of at most `max` UTF-16 units on one line: what a list or a status bar shows. */
export const shortLine = (text: string, max: number): string =>
  shorten(
    // Of a long text only its beginning can be shown.
    text
      .slice(0, 4 * max)
      .replace(/\s+/g, ' ')
      .trim(),
    max,
  );
