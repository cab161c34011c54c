/** Sub-agents are let in, begin what they were asked for, or never do. */
import { faultOf } from '@troupe/protocol';
import { type Applicant, type CheckName, checks } from '../admission.ts';
import { adoptionOf } from '../adoption.ts';
import { reparent } from '../lineage.ts';
import { memberOf, treeOf } from '../members.ts';
import type { Member } from '../roster.ts';
import type { Ask } from '../subagent-machine.ts';
import type { SubagentRecord } from '../subagent-record.ts';
import { withDeliveries } from './deliveries.ts';
import { remove } from './forgetting.ts';
import { announce, answer, asked, move, put, type Step, tell } from './step.ts';

export const refuse = (step: Step, requestId: number, applicant: Applicant, check: CheckName): void => {
  const refusal = checks[check](step.roster, applicant);
  if (refusal) answer(step, requestId, { refusal });
};

export const admit = (step: Step, ask: Ask): void => {
  const { record } = ask;
  const { agentId } = record;
  const before = memberOf(step.roster, agentId);
  if (before) {
    const found = reparent(treeOf(step.roster), agentId, record.parentId, step.roster.limits.maxDepth);
    if ('changes' in found)
      for (const moved of move(step, found)) if (moved !== agentId) step.out.push({ type: 'note', agentId: moved });
  }
  const { cancelled: _, hushed: __, ...now } = record;
  put(step, { ...(before ?? { last: null }), record: now, open: [...(before?.open ?? []), asked(record)] });
  tell(step, 'spawning', memberOf(step.roster, agentId) as Member);
  step.out.push({ type: 'ask', ask: { ...ask, record: now, ...(before && { before }) } });
};

export const create = (step: Step, requestId: number, { record }: Applicant): void => {
  put(step, { record, open: [], last: null });
  step.out.push({ type: 'note', agentId: record.agentId });
  answer(step, requestId, { value: record.agentId }, [record.agentId]);
};

/** It could not be stored: it is as if nobody had asked. */
export const unmade = (step: Step, agentIds: readonly string[]): void => {
  for (const agentId of agentIds) remove(step, agentId, false);
};

/** Those that may come. Says who did, and why others did not. */
export const adopt = (step: Step, requestId: number, records: readonly SubagentRecord[]): void => {
  const adoption = adoptionOf(step.roster, records);
  const { adopted } = adoption;
  const agentIds = adopted.map(({ agentId }) => agentId);
  put(step, ...adopted.map((record) => ({ record, open: [], last: null })));
  for (const agentId of agentIds) step.out.push({ type: 'note', agentId });
  answer(step, requestId, { value: adoption }, agentIds);
};

/** What it was steered to has begun, or never does. */
const withoutNext = ({ next, ...member }: Member, runId: string | undefined): Member => ({
  ...member,
  ...(next && next.run?.runId !== runId && { next }),
});

/** What was asked for is under way. */
export const begun = (step: Step, { record, requestId }: Ask): void => {
  const { agentId, run } = record;
  const member = memberOf(step.roster, agentId);
  if (member) {
    // What was handed over meanwhile stays so; what has ended by itself was not stopped.
    const stopped = record.delivered.filter(
      ({ runId, how }) => how === 'steered' && member.open.some((each) => each.runId === runId),
    );
    // What was said before its first run stands in that run from now on.
    const { history: _, ...kept } = member.record;
    const begunNow = { ...kept, ...(run && { run: { ...run, begun: true } }), updatedAt: record.updatedAt };
    put(step, { ...withoutNext(member, run?.runId), record: withDeliveries(begunNow, stopped, member) });
    step.out.push({ type: 'note', agentId });
    announce(step, agentId, run?.runId ?? '');
  }
  answer(step, requestId, { value: record });
};

/** What was asked for never was: it is as if nobody had asked. */
export const unbegun = (step: Step, { record, before, requestId }: Ask, error: unknown): void => {
  const { agentId, run } = record;
  const member = memberOf(step.roster, agentId);
  if (member) {
    const open = member.open.filter(({ runId }) => runId !== run?.runId);
    const { steeredAt: _, ...rest } = withoutNext(member, run?.runId);
    const steered = before?.steeredAt !== undefined && { steeredAt: before.steeredAt };
    if (member.record.run?.runId !== run?.runId) put(step, { ...rest, ...steered, open });
    else {
      tell(step, 'failed', member, { error: faultOf(error, 'store.unavailable').message });
      if (before) {
        const { parentId } = before.record;
        const found = reparent(treeOf(step.roster), agentId, parentId, Number.POSITIVE_INFINITY);
        if ('changes' in found) for (const moved of move(step, found)) step.out.push({ type: 'note', agentId: moved });
        const { depth } = memberOf(step.roster, agentId)?.record ?? before.record;
        const { delivered, owed, cancelled, hushed } = member.record;
        const { owed: _, ...asBefore } = before.record;
        const stopped = { ...(cancelled && { cancelled }), ...(hushed && { hushed }) };
        const record = { ...asBefore, depth, delivered, ...(owed && { owed }), ...stopped };
        put(step, { ...rest, ...steered, open, record });
      } else remove(step, agentId, false);
    }
    if (before) step.out.push({ type: 'note', agentId });
  }
  answer(step, requestId, { error });
};
