/** A decision of the manager: what it knows then, and what goes out with that. What all decisions are made of. */
import type { Refusal } from '../admission.ts';
import { isVisibleTo, type Moves, pendingDescendants, type Scope } from '../lineage.ts';
import { memberOf, treeOf, withMembers } from '../members.ts';
import { type Activity, type Member, type Roster, standing } from '../roster.ts';
import type { Ask } from '../subagent-machine.ts';
import type { SubagentEvent, SubagentResult } from '../subagent-manager.ts';
import type { SubagentRecord } from '../subagent-record.ts';

/** What was read when the manager was opened. */
export type Found = {
  members: Member[];
  /** Runs that had not ended, by sub-agent. */
  open: Record<string, string[]>;
  /** Asked for, and never begun. */
  asks: Ask[];
  /** Of runs that have ended: nobody was given them. */
  results: SubagentResult[];
  /** Runs that had not ended. */
  running: { agentId: string; runId: string; model: string | null; startedAt: number }[];
  /** Runs that had ended: what was told of them meanwhile is known. */
  ended: string[];
  /** Units of their sessions that had not ended, by sub-agent. */
  units: Record<string, string[]>;
  /** Nothing was to be left of these, and something may be. */
  gone: SubagentRecord[];
};

/** What came of a request. */
export type Answer = { requestId: number } & ({ value: unknown } | { refusal: Refusal } | { error: unknown });

/** What goes out. */
export type Order =
  /** `noted`: once all is stored that is known of these; where it cannot be, that is the answer. */
  | { type: 'answer'; answer: Answer; noted: string[] }
  | { type: 'tell'; event: Omit<SubagentEvent, 'at'> }
  /** Stores what is known of a sub-agent now. */
  | { type: 'note'; agentId: string }
  /** Forgets a sub-agent, with its runs where nothing is to be left of it. */
  | { type: 'erase'; record: SubagentRecord; withRuns: boolean }
  | { type: 'ask'; ask: Ask }
  | { type: 'open'; agentId: string; runIds: string[] }
  | { type: 'cancel'; agentId: string; reason: string }
  /** Stops units. */
  | { type: 'halt'; runIds: string[]; reason: string }
  /** Asks whether the session of a sub-agent rests. */
  | { type: 'inquire'; agentId: string }
  /** Stops runs that another one has taken the place of. */
  | { type: 'drop'; agentId: string; runIds: string[] }
  | { type: 'hear'; agentId: string; runId: string; heard: 'began' | 'ended' }
  | { type: 'dismiss'; actorId: string }
  | { type: 'push'; result: SubagentResult; wakes: boolean }
  | { type: 'wait'; requestId: number; ms: number }
  | { type: 'stopWaiting'; requestId: number };

export type Step = { roster: Roster; out: Order[] };

/** Deliveries that a record keeps, and runs of a sub-agent that are looked at when it is read: the latest. */
export const remembered = 20;
/** Milliseconds that a timer can be set to: one that is set to more rings at once. */
export const longestMs = 2 ** 31 - 1;
/** Characters of an answer that are kept in sight. */
export const previewLength = 300;

/** The actor that asks whether the session of a sub-agent rests. */
export const inquiryIdOf = (agentId: string): string => `inquiry.${agentId}`;
/** The letter by which a result is pushed to a session. */
export const letterIdOf = (runId: string): string => `result.${runId}`;
/** The actor that pushes a result. */
export const handoverIdOf = (runId: string): string => `handover.${runId}`;

export const put = (step: Step, ...members: Omit<Member, 'state' | 'activity'>[]): void => {
  step.roster = { ...step.roster, members: withMembers(step.roster.members, members.map(standing)) };
};

export const answer = (
  step: Step,
  requestId: number | undefined,
  what: { value: unknown } | { refusal: Refusal } | { error: unknown },
  noted: string[] = [],
) => {
  if (requestId !== undefined) step.out.push({ type: 'answer', answer: { requestId, ...what }, noted });
};

export const tell = (
  step: Step,
  type: SubagentEvent['type'],
  { record, activity }: Member,
  more: Partial<SubagentEvent> = {},
): void => {
  const { agentId, run, label, name, parentId, depth, requester, config } = record;
  step.out.push({
    type: 'tell',
    event: {
      type,
      agentId,
      runId: run?.runId ?? '',
      label,
      ...(name !== undefined && { name }),
      parentId,
      depth,
      model: activity?.model ?? config.model ?? null,
      result: null,
      error: null,
      elapsedSeconds: null,
      requester,
      ...more,
    },
  });
};

/** A run that was asked for and has not begun. */
export const asked = ({ run, config, updatedAt }: SubagentRecord): Activity => ({
  runId: run?.runId ?? '',
  model: config.model ?? null,
  askedAt: run?.askedAt ?? updatedAt,
  ...(run?.restarted && { restarted: true }),
});

export const wasSteeredAwayFrom = ({ delivered }: SubagentRecord, runId: string): boolean =>
  delivered.some((each) => each.runId === runId && each.how === 'steered');

/** Asks whether the session of a sub-agent rests. One question at a time: whatever happens meanwhile makes it doubtful again. */
export const inquire = (step: Step, of: Member): void => {
  const { isDoubtful: _, ...member } = of;
  put(step, { ...member, isInQuestion: true });
  step.out.push({ type: 'inquire', agentId: member.record.agentId });
};

/** Moves sub-agents as the tree says; gives back their ids. */
export const move = (step: Step, { changes }: Moves): string[] => {
  const moved = [...changes].flatMap(([agentId, change]) => {
    const member = memberOf(step.roster, agentId);
    return member ? [{ ...member, record: { ...member.record, ...change } }] : [];
  });
  put(step, ...moved);
  return moved.map(({ record }) => record.agentId);
};

export const isSeen = ({ roster }: Step, agentId: string, scope: Scope): boolean =>
  isVisibleTo(treeOf(roster), agentId, scope);

/** Whether somebody below a sub-agent is at work, be it in the background. */
export const isAtWorkBelow = ({ roster }: Step, agentId: string): boolean =>
  pendingDescendants(treeOf(roster), agentId, (each) => each.isActive || !each.isResting) > 0;

/** Tells once of a run that takes the place of another. */
export const announce = (step: Step, agentId: string, runId: string): void => {
  const member = memberOf(step.roster, agentId);
  const task = member?.open.find((run) => run.runId === runId)?.steers;
  if (!member || task === undefined) return;
  const open = member.open.map(({ steers, ...run }) =>
    run.runId === runId || steers === undefined ? run : { ...run, steers },
  );
  put(step, { ...member, open });
  if (!member.isStopping) tell(step, 'steered', member, { runId, task });
};
