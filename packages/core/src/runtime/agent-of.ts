import { type Fault, messageOf, type RunRow, redact } from '@troupe/protocol';
import { isUnit, ownProviderOf, unitAgent } from '../background/unit.ts';
import type { AnyAgent } from '../define-agent.ts';
import { toolsOf } from './definition-of.ts';
import type { Makers } from './makers.ts';

/** The agent of a stored run, or why nobody has it here. */
export type AgentFound = { agent: AnyAgent } | { agent?: undefined; fault: Fault };

const unknown = ({ runId, agent }: RunRow, tell: string, details?: Fault['details']): AgentFound => ({
  fault: {
    code: 'agent.unknown',
    message: `Run "${runId}" is of agent "${agent}", ${tell}`,
    retryable: false,
    runId,
    ...(details && { details }),
  },
});

/** One that the runtime knows, or one that its maker, or a tool of the run above, makes again, if it can. @param rows Where the run above is found. */
export const agentOf = (
  row: RunRow,
  rows: ReadonlyMap<string, RunRow>,
  agents: ReadonlyMap<string, AnyAgent>,
  makers: Pick<Makers, 'again'>,
): AgentFound => {
  const { made } = row;
  if (!made) {
    const agent = agents.get(row.agent);
    if (agent) return { agent };
    return unknown(
      row,
      'which is not known here. Give it to createRuntime({ agents }), or give the tool that made it a "rebuild".',
    );
  }
  if ('maker' in made) {
    try {
      return { agent: makers.again(made) };
    } catch (error) {
      return unknown(row, `which is not known here: ${redact(messageOf(error))}.`, {
        maker: made.maker,
      });
    }
  }
  const { tool: name, data } = made;
  const not = (reason: string): AgentFound =>
    unknown(row, `which tool "${name}" made, and cannot make again: ${reason}`, { tool: name, reason });
  const above = rows.get(row.parentId ?? row.origin?.runId ?? '');
  if (!above) return not('the run that called it is not stored any more.');
  const { agent: maker } = agentOf(above, rows, agents, makers);
  if (!maker) return not(`agent "${above.agent}", whose tool it is, is not known here.`);
  const { tools } = toolsOf(maker, above.job);
  const tool = tools.get(name);
  if (!tool) return not(`agent "${above.agent}" has no such tool any more.`);
  const provider = ownProviderOf(maker);
  if (isUnit(row)) return { agent: unitAgent(tool, tools.values(), provider) };
  if (!tool.rebuild) return not('it has no "rebuild".');
  try {
    const agent: AnyAgent | undefined = tool.rebuild(data, { tools, ...(provider && { provider }) });
    return agent ? { agent } : not('its "rebuild" gave no agent.');
  } catch (error) {
    return not(`its "rebuild" threw: ${redact(messageOf(error))}`);
  }
};
