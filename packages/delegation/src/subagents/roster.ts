/** What a manager knows of its sub-agents. Data: who there is, how each stands, and what is still to be handed over. */
import type { Members } from './members.ts';
import type { CollectRequest, SubagentLimits, SubagentResult } from './subagent-manager.ts';
import type { Requester, SubagentRecord, SubagentState } from './subagent-record.ts';

/** A run of a sub-agent, as it adds up. */
export type Activity = {
  runId: string;
  model: string | null;
  /** Epoch milliseconds. `startedAt`: absent while it waits to begin. */
  askedAt: number;
  startedAt?: number;
  endedAt?: number;
  error?: string;
  /** The beginning of its answer. */
  preview?: string;
  /** It takes the place of another, which is stopped for it. */
  restarted?: true;
  /** What it was steered to, until that was told. */
  steers?: string;
};

export type Member = {
  record: SubagentRecord;
  /** How it stands, and the run that says so: see {@link standing}. */
  state: SubagentState;
  activity: Activity | null;
  /** Runs that it was asked for, or was woken for, and that have not ended, in that order. */
  open: Activity[];
  /** Its run that ended last, and how. */
  last: { state: SubagentState; activity: Activity } | null;
  /** Its runs that ended latest, oldest first: as many as its record remembers deliveries of. */
  past?: string[];
  /** When it was steered last. */
  steeredAt?: number;
  /** How it is to be stored from when it was steered until that has begun. */
  next?: SubagentRecord;
  /** It has ended its run while others below it were at work: whoever asked for it is told when one of them has woken it. */
  waits?: true;
  /** It is about to be stopped: nothing it is asked now counts. */
  isStopping?: true;
  /** Background units of its session that have not ended. */
  units?: string[];
  /** Letters on their way to its session: results of those below it. */
  coming?: string[];
  /** Letters that have come to its session, heard or not: the latest. */
  letters?: string[];
  /** Something may be under way in its session, or left for that, which wakes it: that is asked once it is to go. */
  isDoubtful?: true;
  /** It is being asked whether its session rests. */
  isInQuestion?: true;
  /** Where it does, and nothing has happened since, it goes. */
  isSwept?: true;
  /** Keys of calls that have collected a result of it, for as long as what they gave may not be stored: see `steps/collecting.ts`. */
  collecting?: string[];
};

/** Who wants results. `isCall`: `by` is the key of a call whose run has not ended. */
export type Wanted = CollectRequest & { isCall?: boolean };
export type Waiter = { id: number } & Pick<Wanted, 'sessionKey' | 'agentId' | 'runId' | 'by' | 'isCall'>;

export type Roster = {
  limits: SubagentLimits;
  members: Members;
  /** Results that nobody was given, oldest first. */
  kept: SubagentResult[];
  /** Who waits for results, in the order in which they came. */
  waiters: Waiter[];
};

/** Runs of a sub-agent that have not ended, without those that come to nothing: they were steered away from. */
const liveRuns = ({ record, open }: Pick<Member, 'record' | 'open'>): Activity[] =>
  open.filter(({ runId }) => !record.delivered.some((each) => each.runId === runId && each.how === 'steered'));

/** A sub-agent as it is to be stored now. */
export const notedOf = ({ record, next }: Pick<Member, 'record' | 'next'>): SubagentRecord => {
  if (!next) return record;
  const { parentId, depth, requester, delivered, owed } = record;
  const { owed: _, ...asked } = next;
  const known = new Set(delivered.map(({ runId }) => runId));
  return {
    ...asked,
    parentId,
    depth,
    requester,
    ...(owed && { owed }),
    delivered: [...delivered, ...next.delivered.filter(({ runId }) => !known.has(runId))],
  };
};

/** How a sub-agent stands that has its runs: the one at work counts, else the one that is to begin, else the one that ended last. */
export const standing = (member: Omit<Member, 'state' | 'activity'>): Member => {
  const { isStopping, ...rest } = member;
  const live = liveRuns(member);
  const current = live.find(({ startedAt }) => startedAt !== undefined) ?? live[0];
  if (!current) return { ...rest, state: member.last?.state ?? 'idle', activity: member.last?.activity ?? null };
  const state = current.startedAt === undefined ? 'pending' : 'running';
  return { ...rest, ...(isStopping && { isStopping }), state, activity: current };
};

export const isActive = ({ state }: Pick<Member, 'state'>): boolean => state === 'pending' || state === 'running';

/** Whether nothing is known of that may wake it. */
export const isResting = ({
  units,
  coming,
  isInQuestion,
}: Pick<Member, 'units' | 'coming' | 'isInQuestion'>): boolean =>
  units === undefined && coming === undefined && !isInQuestion;

/** Letters that may wake it by now: those that have come, are on their way, or will be left by what it has in the background. */
export const lettersOf = ({ coming = [], letters = [], units = [] }: Member): string[] => [
  ...letters,
  ...coming,
  ...units,
];

/** Whether a result is what somebody asks for. */
export const fits = (
  { requester, agentId, runId }: Pick<SubagentResult, 'requester' | 'agentId' | 'runId'>,
  wanted: Pick<CollectRequest, 'sessionKey' | 'agentId' | 'runId'>,
): boolean =>
  (wanted.sessionKey === undefined || wanted.sessionKey === requester.sessionKey) &&
  (wanted.agentId === undefined || wanted.agentId === agentId) &&
  (wanted.runId === undefined || wanted.runId === runId);

/** Whether results for a requester are pushed to its session: it has one, and a way to whoever is behind it. */
export const isPushed = ({ sessionKey, channel }: Requester): boolean => sessionKey !== null && channel !== null;
