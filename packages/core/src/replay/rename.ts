/** What is stored of one tree, as if it had happened in another: ids, and deadlines that lie as far ahead as they did. */
import type { StoredEvent } from '@troupe/protocol';
import type { Allowance, Limits } from '../agent/limits.ts';
import type { ReplayStep } from './replay.ts';

export type Renaming = {
  rootId: string;
  to: string;
  /** Milliseconds between the two: what lay ahead of the one lies ahead of the other. */
  laterMs: number;
};

const idKeys = new Set([
  'id',
  'runId',
  'rootId',
  'parentId',
  'childId',
  'questionId',
  'questionIds',
  'runIds',
  'strays',
]);
/** What may hold ids of runs. Everything else is what somebody said. */
const holders = new Set(['input', 'attempt', 'end', 'ends', 'fault', 'lost', 'question']);

/** The id of a run, an event or a question of the tree. */
export const renamedId = ({ rootId, to }: Renaming, id: string): string =>
  id === rootId || (id.startsWith(rootId) && /^[/:?]/.test(id.slice(rootId.length)))
    ? to + id.slice(rootId.length)
    : id;

const renamed = (names: Renaming, value: unknown): unknown => {
  if (Array.isArray(value)) return value.map((each) => renamed(names, each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      if (idKeys.has(key)) {
        const rename = (id: unknown) => (typeof id === 'string' ? renamedId(names, id) : id);
        return [key, Array.isArray(each) ? each.map(rename) : rename(each)];
      }
      return [key, holders.has(key) ? renamed(names, each) : each];
    }),
  );
};

const later = <L extends { deadlineAt?: number | undefined }>(limits: L, ms: number): L =>
  limits.deadlineAt === undefined ? limits : { ...limits, deadlineAt: limits.deadlineAt + ms };

export const renamedEvent = (names: Renaming, told: StoredEvent): StoredEvent => {
  const { cursor: _, ...event } = told;
  const other = renamed(names, event) as StoredEvent;
  const bound = 'budget' in other ? other.budget : undefined;
  return bound ? ({ ...other, budget: later(bound, names.laterMs) } as StoredEvent) : other;
};

type Heard = ReplayStep['heard'];

export const renamedHeard = (names: Renaming, heard: Heard): Heard => {
  const other = renamed(names, heard) as Heard;
  if (other.type === 'call.spawns') return { ...other, at: Number(other.at) + names.laterMs };
  if (other.type === 'raise') return { ...other, limits: later(other.limits as Limits, names.laterMs) };
  // A run begins with an allowance, and a fork may have begun with another one.
  const key = other.type === 'xstate.init' ? 'input' : 'begins';
  const holder = other[key] as { allowance?: Allowance } | undefined;
  if (!holder?.allowance) return other;
  const { limits, ceilings } = holder.allowance;
  const allowance = {
    ...holder.allowance,
    limits: later(limits, names.laterMs),
    ceilings: later(ceilings, names.laterMs),
  };
  return { ...other, [key]: { ...holder, allowance } };
};
