/**
 * Keeps secrets out of events, faults, logs and stores: what looks like a key is replaced by `[redacted]`, and so is
 * every text that was registered with {@link keepSecret}, wherever it turns up, in names of fields, too.
 */
import { hints, shapes } from './secret-shapes.ts';

/** Of fewer characters there is no secret: none is registered, and no shape matches them. */
const shortest = 6;

/** Longest first: of a secret that holds another, nothing is left over. */
let known: readonly string[] = [];

/** Every text that was registered, the longest first. */
export const knownSecrets = (): readonly string[] => known;

/** Registers a secret of any shape, for the life of the process. Texts under 6 characters are not taken: they are in every sentence. */
export const keepSecret = (secret: string): void => {
  // A key of several lines is written otherwise where it stands in JSON.
  for (const form of [secret, JSON.stringify(secret).slice(1, -1)])
    if (secret.length >= shortest && !known.includes(form)) {
      known = [...known, form].toSorted((a, b) => b.length - a.length);
      plainNames.clear();
    }
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

/** A text without secrets. */
export const clean = (text: string): string => {
  if (text.length < shortest) return text;
  let out = text;
  for (const secret of known) if (out.includes(secret)) out = out.replaceAll(secret, '[redacted]');
  // The cheap question before the dear one.
  return hints.test(out) ? out.replace(shapes, '[redacted]') : out;
};

/** Names of fields without secrets, among those that are known: they are few, and come again and again. */
const plainNames = new Set<string>();
const mostNames = 4_096;
const longestName = 128;

const cleanName = (name: string): string => {
  if (name.length < shortest || plainNames.has(name)) return name;
  const safe = clean(name);
  if (safe !== name || name.length > longestName) return safe;
  if (plainNames.size >= mostNames) plainNames.clear();
  plainNames.add(name);
  return name;
};

/** The same fields under names without secrets. Gives back the very object it got when there was nothing to hide. */
export const redactNames = <T extends object>(fields: T): T => {
  for (const key in fields) if (cleanName(key) !== key) return renamed(fields);
  return fields;
};

/** Of several secrets each has a name of its own: nothing is lost. */
const renamed = <T extends object>(fields: T): T => {
  const safe = new Map<string, unknown>();
  for (const [key, value] of Object.entries(fields)) {
    let name = cleanName(key);
    while (safe.has(name)) name += '_';
    safe.set(name, value);
  }
  return Object.fromEntries(safe) as T;
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
  let hasSecretName = false;
  for (const key in value) {
    const item: unknown = value[key];
    hasSecretName ||= cleanName(key) !== key;
    const safe = redact(item);
    if (safe === item) continue;
    copy ??= { ...(value as Record<string, unknown>) };
    copy[key] = safe;
  }
  const fields = (copy ?? value) as T & object;
  return hasSecretName ? renamed(fields) : fields;
};

/** Values without secrets, and the secrets that were known then. */
const safe = new WeakMap<object, { among: readonly string[]; value: object }>();

/** Of fewer values, to look through them takes less time than to remember them. */
const worthIt = 64;

/** The same of a list of values that never change: of a long one each is looked through once, for as long as no other secret is registered. */
export const redactEach = <T extends object>(values: readonly T[]): T[] =>
  values.map((value) => {
    if (values.length < worthIt) return redact(value);
    const before = safe.get(value);
    if (before?.among === known) return before.value as T;
    const now = redact(value);
    safe.set(value, { among: known, value: now });
    return now;
  });
