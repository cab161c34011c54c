import type { JSONValue, Memory, MemoryStore } from '@troupe/protocol';

/** Ways to break the contract, each in one place. */
export const memoryBugs = [
  'nothing is null',
  'null is nothing',
  'the first value stays',
  'one scope',
  'scopes in any case',
  'scope and key run together',
  'search by case',
  'search in ASCII',
  'search by keys',
  'search by values',
  'search by patterns',
  'search everywhere',
  'last written last',
  'no limit',
  'reset forgets all',
  'reset forgets nothing',
  'reset forgets the scope of a key',
  'reset forgets the scope of a key that is blank',
  'values are kept as they came',
  'values are given away',
  'search in escapes',
  'keys are trimmed',
] as const;
export type MemoryBug = (typeof memoryBugs)[number];

/** A memory as plain as can be, with a bug if one is asked for. */
export const referenceMemory = (bug?: MemoryBug): MemoryStore => {
  let entries: Memory[] = [];
  const scopeOf = (scope: string) =>
    bug === 'one scope' ? '' : bug === 'scopes in any case' ? scope.toLowerCase() : scope;
  const within = (scope: string) => (entry: Memory) => scopeOf(entry.scope) === scopeOf(scope);
  const find = (scope: string, key: string) =>
    entries.find((entry) => {
      if (bug === 'scope and key run together') return `${entry.scope}:${entry.key}` === `${scope}:${key}`;
      return (
        within(scope)(entry) && (entry.key === key || (bug === 'keys are trimmed' && entry.key.trim() === key.trim()))
      );
    });
  const kept = (value: JSONValue) => (bug === 'values are kept as they came' ? value : structuredClone(value));
  const given = <T>(value: T): T => (bug === 'values are given away' ? value : structuredClone(value));
  const fold = (text: string) => {
    if (bug === 'search by case') return text;
    return bug === 'search in ASCII' ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text.toLowerCase();
  };
  const contains = (whole: string, text: string) =>
    bug === 'search by patterns'
      ? new RegExp(text.replaceAll('%', '.*').replaceAll('_', '.'), 'i').test(whole)
      : fold(whole).includes(fold(text));
  const textOf = (value: JSONValue) =>
    typeof value === 'string' && bug !== 'search in escapes' ? value : JSON.stringify(value);

  return {
    read(scope, key) {
      const found = given(find(scope, key)?.value);
      if (bug === 'nothing is null') return found ?? null;
      return bug === 'null is nothing' ? (found ?? undefined) : found;
    },
    write(scope, key, value) {
      const old = find(scope, key);
      if (bug === 'the first value stays' && old) return;
      if (bug === 'last written last') entries = entries.filter((entry) => entry !== old);
      if (old && bug !== 'last written last')
        entries = entries.map((entry) => (entry === old ? { ...old, value: kept(value) } : entry));
      else entries = [...entries, { scope, key, value: kept(value) }];
    },
    search: (scope, text, { limit = Number.POSITIVE_INFINITY } = {}) =>
      entries
        .filter((entry) => bug === 'search everywhere' || within(scope)(entry))
        .filter(
          ({ key, value }) =>
            (bug !== 'search by values' && contains(key, text)) ||
            (bug !== 'search by keys' && contains(textOf(value), text)),
        )
        .slice(0, bug === 'no limit' ? undefined : limit)
        .map(given),
    reset(scope, key) {
      if (bug === 'reset forgets nothing') return;
      const isMeant = (entry: Memory) =>
        within(scope)(entry) &&
        (key === undefined ||
          entry.key === key ||
          bug === 'reset forgets the scope of a key' ||
          (key === '' && bug === 'reset forgets the scope of a key that is blank'));
      entries = bug === 'reset forgets all' ? [] : entries.filter((entry) => !isMeant(entry));
    },
  };
};
