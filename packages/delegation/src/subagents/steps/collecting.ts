/** Calls that have collected results: until what they gave is stored they may be executed again, and are given the same then. */
import { callIn } from '../collecting-call.ts';
import { membersUnder, under } from '../members.ts';
import type { Member } from '../roster.ts';
import { letGo } from './forgetting.ts';
import { put, type Step } from './step.ts';

/** The same sub-agent, of which a call under way has collected something. */
export const collectedBy = ({ collecting = [], ...member }: Member, key: string): Member => ({
  ...member,
  collecting: [...collecting.filter((each) => each !== key), key],
});

/** A run that has collected goes on with another turn, or has ended (`null`): what its calls before gave is stored. */
export const collectorMoved = (step: Step, { runId, turn }: { runId: string; turn: number | null }): void => {
  const isOver = (key: string): boolean => {
    const call = callIn(key);
    return call?.runId === runId && (turn === null || call.turn < turn);
  };
  for (const { collecting = [], ...member } of membersUnder(step.roster, under.collecting(runId))) {
    const left = collecting.filter((key) => !isOver(key));
    put(step, { ...member, ...(left.length > 0 && { collecting: left }) });
    letGo(step, member.record.agentId);
  }
};
