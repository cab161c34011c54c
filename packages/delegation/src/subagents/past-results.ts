import type { Runtime } from '@troupe/core';
import { memberOf, membersOf, membersUnder, under } from './members.ts';
import { resultFrom } from './result-of-run.ts';
import { fits, type Member, type Roster } from './roster.ts';
import type { CollectRequest, SubagentResult } from './subagent-manager.ts';

/** Those of whom there may be one. */
const whoMay = (
  roster: Pick<Roster, 'members'>,
  { agentId, includeDelivered, by }: Pick<CollectRequest, 'agentId' | 'includeDelivered' | 'by'>,
): Member[] => {
  if (agentId !== undefined) return [memberOf(roster, agentId) ?? []].flat();
  return includeDelivered || by === undefined ? membersOf(roster) : membersUnder(roster, under.collector(by));
};

/** Results that were handed over: to the very same one who collects, or for those who ask for them again. */
export const pastResults = async (
  runtime: Pick<Runtime, 'runs' | 'events'>,
  roster: Pick<Roster, 'members'>,
  { by, includeDelivered, ...wanted }: CollectRequest,
): Promise<SubagentResult[]> => {
  if (by === undefined && !includeDelivered) return [];
  const found: SubagentResult[] = [];
  for (const { record } of whoMay(roster, { by, includeDelivered, agentId: wanted.agentId })) {
    const { agentId, delivered } = record;
    const fitting = delivered.filter(
      ({ runId, how }) =>
        how !== 'steered' && (wanted.agentId ?? agentId) === agentId && (wanted.runId ?? runId) === runId,
    );
    const own = fitting.filter((each) => by !== undefined && each.by === by);
    for (const { runId, how, ...each } of own.length > 0 || !includeDelivered ? own : fitting.slice(-1)) {
      const result = await resultFrom(runtime, record, runId, (id) => memberOf(roster, id) !== undefined);
      // Who asked for it then may be another than now.
      if (!result || how === 'steered' || !fits(result, wanted)) continue;
      found.push({ ...result, ...((by === undefined || each.by !== by) && { delivered: how }) });
    }
  }
  return found;
};
