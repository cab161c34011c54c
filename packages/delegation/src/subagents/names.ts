/** What sub-agents are called: ids for programs, names and labels for people and models. */
import { beginningOf, hashOf, type IdSource, redact } from '@troupe/protocol';

/** What `sub_` and ten digits take. */
const idLength = 14;

/**
 * The id of a new sub-agent: `sub_` and ten hexadecimal digits, made of what the source gives; what is no longer than that stays as it was
 * given. Models copy ids by hand: long ones cost, and are copied wrong.
 *
 * @param isTaken Another is made until this says no.
 */
export const newAgentId = (ids: IdSource, isTaken: (id: string) => boolean): string => {
  for (;;) {
    const text = ids.next('sub');
    const id = text.length > idLength ? `sub_${hashOf(text).slice(-10)}` : text;
    if (!isTaken(id)) return id;
  }
};

/** The session that the runs of a sub-agent go on in. */
export const sessionKeyOf = (agentId: string): string => `subagent-${agentId}`;

const longestLabel = 60;
const longestTask = 40;

const onOneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** What a sub-agent is shown as, on one line: its label, else its role and the beginning of its task, else 60 characters of its task. */
export const labelOf = ({ label, role, task }: { label?: string | null; role?: string; task: string }): string => {
  const own = onOneLine(redact(label ?? ''));
  if (own !== '') return own;
  // Before it is cut: of a secret a part would be left that looks like none.
  const about = onOneLine(redact(task));
  if (role === undefined) return beginningOf(about, longestLabel).trim();
  return `${role}: ${beginningOf(about, longestTask)}${about.length > longestTask ? '…' : ''}`;
};

/** Whether it can be a name: letters, digits, `_` and `-`, all of ASCII. */
export const isName = (value: unknown): value is string => typeof value === 'string' && /^[A-Za-z0-9_-]+$/.test(value);

/** A text as a name: small letters, digits, `_` and `-`; `subagent` where nothing of it can stay. */
export const slugOf = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .replace(/^-+|-+$/g, '') || 'subagent';

/** The name, else the first of `name-2`, `name-3` … that is not taken. */
export const freeNameOf = (name: string, isTaken: (name: string) => boolean): string => {
  let free = name;
  for (let n = 2; isTaken(free); n += 1) free = `${name}-${n}`;
  return free;
};

/** A name for what a description says: its first two words of three ASCII letters or more, and `subagent`. */
export const nameFor = (description: string): string =>
  [
    ...[...description.matchAll(/(?<![\p{L}\p{M}\p{N}_])[A-Za-z]{3,}(?![\p{L}\p{M}\p{N}_])/gu)].slice(0, 2),
    ['subagent'],
  ]
    .map(([word = '']) => word.toLowerCase())
    .join('-');
