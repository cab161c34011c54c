/**
 * Keeps secrets out of events, faults, logs and stores: what looks like a key is replaced by `[redacted]`, and so is
 * every text that was registered with {@link keepSecret}, wherever it turns up.
 */

/** What a secret looks like. `lead` stands before it and is told; `begins` are its first parts, lead included, one after another. */
type Shape = { lead?: string; secret: string; after?: string; begins: readonly string[] };
const raw = String.raw;
const parts = (text: string): string[] => text.split('');
const secretShapes: readonly Shape[] = [
  { secret: raw`\bsk-[A-Za-z0-9_-]{8,}`, begins: [raw`\bs`, 'k', '-', '[A-Za-z0-9_-]*'] },
  { secret: raw`\bgh[pousr]_[A-Za-z0-9_]{16,}`, begins: [raw`\bg`, 'h', '[pousr]', '_', '[A-Za-z0-9_]*'] },
  { secret: raw`\bgithub_pat_[A-Za-z0-9_]{16,}`, begins: [raw`\bg`, ...parts('ithub_pat_'), '[A-Za-z0-9_]*'] },
  { secret: raw`\bxox[abeprs]-[A-Za-z0-9-]{8,}`, begins: [raw`\bx`, 'o', 'x', '[abeprs]', '-', '[A-Za-z0-9-]*'] },
  { secret: raw`\bAKIA[0-9A-Z]{16}\b`, begins: [raw`\bA`, ...parts('KIA'), '[0-9A-Z]{0,16}'] },
  { secret: raw`\bAIza[0-9A-Za-z_-]{30,}`, begins: [raw`\bA`, ...parts('Iza'), '[0-9A-Za-z_-]*'] },
  {
    secret: raw`\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`,
    begins: [raw`\be`, 'y', 'J', raw`[A-Za-z0-9_-]*`, raw`\.[A-Za-z0-9_-]*`, raw`\.[A-Za-z0-9_-]*`],
  },
  {
    lead: raw`\bBearer\s`,
    secret: '[A-Za-z0-9._~+/=-]{8,}',
    begins: [raw`\bB`, ...parts('earer'), raw`\s`, '[A-Za-z0-9._~+/=-]*'],
  },
  {
    lead: raw`:\/\/[^\s/:@]{1,64}:`,
    secret: raw`[^\s/@]{1,256}`,
    after: '(?=@)',
    begins: [':', raw`\/`, raw`\/`, raw`[^\s/:@]{1,64}`, ':', raw`[^\s/@]{0,256}`],
  },
];
const anyOf = (texts: readonly string[], flags = ''): RegExp => new RegExp(texts.join('|'), flags);
const shapes = anyOf(
  secretShapes.map(({ lead, secret, after = '' }) => `${lead ? `(?<=${lead})` : ''}${secret}${after}`),
  'g',
);
/** The same, each with its lead. */
const wholes = anyOf(
  secretShapes.map(({ lead = '', secret, after = '' }) => `${lead}${secret}${after}`),
  'g',
);
/** What may be the beginning of one, broken off anywhere, at the end of a text. */
const beginningOf = (those: readonly Shape[]): RegExp =>
  new RegExp(`(?:${those.map(({ begins }) => begins.reduceRight((then, part) => `${part}(?:${then})?`)).join('|')})$`);
const leadBegun = beginningOf(secretShapes.filter(({ lead }) => lead));
const keyBegun = beginningOf(secretShapes.filter(({ lead }) => !lead));
const inKey = /[\w.-]/;

/** Where one may have begun; the text's end, where none has. Keys are looked for in the last word alone, or each would be in every one. */
const shapeBegun = (text: string): number => {
  let word = text.length;
  while (word > 0 && inKey.test(text.charAt(word - 1))) word -= 1;
  const key = keyBegun.exec(text.slice(word))?.index;
  return Math.min(leadBegun.exec(text)?.index ?? text.length, key === undefined ? text.length : word + key);
};
/** The cheap question before the dear one: none of the shapes can match where none of these stands. */
const hints = /sk-|gh[pousr]_|github_pat_|xox|AKIA|AIza|eyJ|Bearer|:\/\//;

/** Of fewer characters there is no secret: none is registered, and no shape matches them. */
const shortest = 6;

/** Longest first: of a secret that holds another, nothing is left over. */
let known: readonly string[] = [];

/** Registers a secret of any shape, for the life of the process. Texts under 6 characters are not taken: they are in every sentence. */
export const keepSecret = (secret: string): void => {
  // A key of several lines is written otherwise where it stands in JSON.
  for (const form of [secret, JSON.stringify(secret).slice(1, -1)])
    if (secret.length >= shortest && !known.includes(form))
      known = [...known, form].toSorted((a, b) => b.length - a.length);
};

/**
 * Registers the password of a URL, which may stand before the host or be the parameter `password`, as it is written and as it is meant.
 * The URL need not be one that can be parsed.
 */
export const keepSecretsOfUrl = (url: string): void => {
  const written = /^[^:]+:\/\/[^:@/]*:([^@]*)@/.exec(url)?.[1];
  const asked = /[?&]password=([^&]*)/.exec(url)?.[1];
  for (const secret of [written, asked]) if (secret) for (const form of [secret, decoded(secret)]) keepSecret(form);
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const clean = (text: string): string => {
  if (text.length < shortest) return text;
  let out = text;
  for (const secret of known) if (out.includes(secret)) out = out.replaceAll(secret, '[redacted]');
  return hints.test(out) ? out.replace(shapes, '[redacted]') : out;
};

/** The same value without secrets. Gives back the very object it got when there was nothing to hide. */
export const redact = <T>(value: T): T => {
  if (typeof value === 'string') return clean(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      const safe = redact(item);
      if (safe === item) continue;
      copy ??= [...value];
      copy[i] = safe;
    }
    return (copy ?? value) as T;
  }
  let copy: Record<string, unknown> | undefined;
  for (const key in value) {
    const item: unknown = value[key];
    const safe = redact(item);
    if (safe === item) continue;
    copy ??= { ...(value as Record<string, unknown>) };
    copy[key] = safe;
  }
  return (copy ?? value) as T;
};

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
const first = /\b[sgxAeB]|:/;
const mayBegin = (part: string): boolean => first.test(part) || known.some((secret) => part.includes(secret.charAt(0)));

const longWord = 512;
const inWord = /^[\w.~+/=-]+$/;

/** Where a registered secret may have begun that is not whole yet; the text's end, where none has. */
const knownBegun = (text: string): number => {
  let begun = text.length;
  for (const secret of known)
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
  for (const secret of known)
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1))
      found.push([at, at + secret.length]);
  return found
    .toSorted(([a], [b]) => b - a)
    .reduce((until, [from, end]) => (from < until && end >= until ? from : until), to);
};
