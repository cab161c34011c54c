/** What a record remembers of results that were handed over. */
import type { Member } from '../roster.ts';
import type { Delivery, SubagentRecord } from '../subagent-record.ts';
import { remembered } from './step.ts';

/**
 * In the order in which they were handed over. Where there are too many, those of older runs go, however late they were collected; never
 * one of a run that is looked at still, which would be owed then, nor what a call has collected whose result may not be stored.
 */
export const withDelivery = (
  record: SubagentRecord,
  delivery: Delivery,
  { past = [], open, collecting = [] }: Pick<Member, 'past' | 'open' | 'collecting'>,
): SubagentRecord => {
  const all = [...record.delivered.filter(({ runId }) => runId !== delivery.runId), delivery];
  const latest = new Set([...past, ...open.map(({ runId }) => runId)]);
  const isHeld = ({ runId, by }: Delivery): boolean =>
    latest.has(runId) || (by !== undefined && collecting.includes(by));
  const surplus = new Set(all.filter((each) => !isHeld(each)).slice(0, Math.max(all.length - remembered, 0)));
  const { owed, ...rest } = record;
  const left = owed?.filter((runId) => runId !== delivery.runId) ?? [];
  return {
    ...rest,
    ...(left.length > 0 && { owed: left }),
    delivered: all.filter((each) => !surplus.has(each)),
  };
};

/** The same record, with those of its older runs that nobody was given the results of. They are noted well before they are too old to be read. */
export const withOwed = (record: SubagentRecord, past: readonly string[]): SubagentRecord => {
  const older = past.slice(0, -remembered / 2);
  const news = older.filter((id) => !record.owed?.includes(id) && !record.delivered.some(({ runId }) => runId === id));
  return news.length > 0 ? { ...record, owed: [...(record.owed ?? []), ...news] } : record;
};

/** Whether all that has come of a sub-agent was handed over. */
export const isHandedOver = ({ record: { delivered, owed }, past = [] }: Pick<Member, 'record' | 'past'>): boolean =>
  owed === undefined && past.every((id) => delivered.some(({ runId }) => runId === id));

export const withDeliveries = (
  record: SubagentRecord,
  deliveries: readonly Delivery[],
  member: Pick<Member, 'past' | 'open' | 'collecting'>,
): SubagentRecord => deliveries.reduce((now, each) => withDelivery(now, each, member), record);
