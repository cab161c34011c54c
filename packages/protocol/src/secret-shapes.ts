/** What secrets look like, of which nobody knows beforehand: keys, tokens and passwords in URLs. */

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
/** What is blanked. */
export const shapes = anyOf(
  secretShapes.map(({ lead, secret, after = '' }) => `${lead ? `(?<=${lead})` : ''}${secret}${after}`),
  'g',
);
/** The same, each with its lead. */
export const wholes = anyOf(
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
export const shapeBegun = (text: string): number => {
  let word = text.length;
  while (word > 0 && inKey.test(text.charAt(word - 1))) word -= 1;
  const key = keyBegun.exec(text.slice(word))?.index;
  return Math.min(leadBegun.exec(text)?.index ?? text.length, key === undefined ? text.length : word + key);
};

/** What one begins with, as far as all of a kind are alike: where none of this stands, there is none. */
const alike = (begins: readonly string[]): string =>
  begins
    .slice(
      0,
      begins.findIndex((part) => /[*}]$/.test(part)),
    )
    .join('');
export const hints = anyOf(secretShapes.map(({ begins }) => alike(begins)));

/** What one begins with: where none of this stands, none begins. */
export const firstOfShapes = anyOf(secretShapes.map(({ begins: [first = ''] }) => first));
