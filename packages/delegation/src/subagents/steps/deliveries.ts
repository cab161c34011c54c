/** What a record remembers of results that were handed over. */
import type { Member } from '../roster.ts';
import type { Delivery, SubagentRecord } from '../subagent-record.ts';
import { remembered } from './step.ts';

/** In the order in which they were handed over. Where there are too many, those of older runs go, however late they were collected. */
export const withDelivery = (
  record: SubagentRecord,
  delivery: Delivery,
  { past = [], open }: Pick<Member, 'past' | 'open'>,
): SubagentRecord => {
  const all = [...record.delivered.filter(({ runId }) => runId !== delivery.runId), delivery];
  const latest = new Set([...past, ...open.map(({ runId }) => runId)].slice(-remembered));
  const surplus = all.filter(({ runId }) => !latest.has(runId)).slice(0, Math.max(all.length - remembered, 0));
  return { ...record, delivered: all.filter((each) => !surplus.includes(each)).slice(-remembered) };
};

export const withDeliveries = (
  record: SubagentRecord,
  deliveries: readonly Delivery[],
  member: Pick<Member, 'past' | 'open'>,
): SubagentRecord => deliveries.reduce((now, each) => withDelivery(now, each, member), record);
