/** Secrets in a text that comes in parts, as a model streams it. */
import { clean, knownSecrets } from './redact.ts';
import { firstOfShapes, shapeBegun, wholes } from './secret-shapes.ts';

/** A text that comes in parts: each part gives what can be told of the text by now, the end gives the rest. */
export type RedactedParts = {
  add(part: string): string;
  end(): string;
  /** How many characters, of those that were given last, are held back. */
  readonly held: number;
};

class Parts implements RedactedParts {
  #held = '';
  /** What was told last. */
  #last = '';

  get held(): number {
    return this.#held.length;
  }

  add(part: string): string {
    if (this.#held === '' && part !== '' && !mayBegin(part)) {
      this.#last = part;
      return part;
    }
    // So long a word is looked at once more when it ends, not with every part of it.
    if (this.#held.length > longWord && inWord.test(part)) {
      this.#held += part;
      return '';
    }
    const context = this.#context();
    const text = context + this.#held + part;
    const begun = Math.min(shapeBegun(text), knownBegun(text));
    return this.#release(context.length, text, begun < text.length ? wholeUntil(text, begun) : begun);
  }

  end(): string {
    if (this.#held === '') return '';
    const context = this.#context();
    const text = context + this.#held;
    return this.#release(context.length, text, text.length);
  }

  /** What stands in the place of the character before what is held: part of a word or not, and the beginning of nothing. */
  #context(): '' | '_' | ' ' {
    if (this.#last === '') return '';
    return /\w$/.test(this.#last) ? '_' : ' ';
  }

  /** Gives what stands between two places, without secrets, and holds the rest. */
  #release(from: number, text: string, to: number): string {
    const all = clean(text);
    // What is held is cleaned as it stands here, and taken off. Where that is not the end of it all, one secret runs into another.
    const rest = to < text.length ? clean(text.slice(to - 1)).slice(1) : '';
    const isApart = to > from && all.endsWith(rest);
    const told = isApart ? all.slice(from, all.length - rest.length) : '';
    this.#held = text.slice(isApart ? to : from);
    if (told !== '') this.#last = told;
    return told;
  }
}

/**
 * Redacts a text that comes in parts, as a model streams it: what may be the beginning of a secret is held back until it is known
 * whether it is one. All that is given, put together, is the text without secrets, however it was cut.
 */
export const redactParts = (): RedactedParts => new Parts();

/** The cheap question before the dear ones: where none of this stands no secret begins. */
const mayBegin = (part: string): boolean =>
  firstOfShapes.test(part) || knownSecrets().some((secret) => part.includes(secret.charAt(0)));

const longWord = 512;
const inWord = /^[\w.~+/=-]+$/;

/** Where a registered secret may have begun that is not whole yet; the text's end, where none has. */
const knownBegun = (text: string): number => {
  let begun = text.length;
  for (const secret of knownSecrets())
    for (
      let at = text.indexOf(secret[0] as string, Math.max(0, text.length - secret.length + 1));
      at >= 0 && at < begun;
      at = text.indexOf(secret[0] as string, at + 1)
    )
      if (secret.startsWith(text.slice(at))) begun = at;
  return begun;
};

/** The last place up to `to` where no secret that is whole already would be cut in two, or be told without what stands around it. */
const wholeUntil = (text: string, to: number): number => {
  const found = [...text.matchAll(wholes)].map(({ index, 0: whole }) => [index, index + whole.length] as const);
  for (const secret of knownSecrets())
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1))
      found.push([at, at + secret.length]);
  return found
    .toSorted(([a], [b]) => b - a)
    .reduce((until, [from, end]) => (from < until && end >= until ? from : until), to);
};
