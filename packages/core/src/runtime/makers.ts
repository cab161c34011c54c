/**
 * Agents that a program makes of data: what a run of one needs to go on later, in another process too, is the data, stored with it.
 *
 * The counterpart of a tool's `rebuild` for runs that no call has made.
 */
import { FaultError, type JSONValue, messageOf, type RunRow, toJSON } from '@troupe/protocol';
import type { Agent, AnyAgent } from '../define-agent.ts';

type Made = Extract<NonNullable<RunRow['made']>, { maker: string }>;
type Make = (data: JSONValue) => AnyAgent;

const madeOf = new WeakMap<AnyAgent, Made>();

/** Who made an agent, and from what; `undefined` of agents that stand for themselves. */
export const makingOf = (agent: AnyAgent): Made | undefined => madeOf.get(agent);

/** Whether two agents come from the same maker: as different as they are, they may share a conversation. */
export const haveOneMaker = (a: AnyAgent, b: AnyAgent): boolean => {
  const maker = makingOf(a)?.maker;
  return maker !== undefined && maker === makingOf(b)?.maker;
};

export type Makers = {
  /** @throws FaultError `agent.duplicate` */
  define(maker: string, make: Make): (data: JSONValue) => Agent;
  /** The agent of a stored run. @throws FaultError `agent.unknown` where nobody makes such agents, or its maker throws; it says which */
  again(made: Made): AnyAgent;
};

export const openMakers = (): Makers => {
  const makers = new Map<string, Make>();
  const madeBy = (maker: string, make: Make, data: JSONValue): AnyAgent => {
    // An object of its own, and data of its own: a maker may give the same agent twice, or one that is used otherwise, too.
    const agent = Object.freeze({ ...make(toJSON(data)) });
    madeOf.set(agent, { maker, data });
    return agent;
  };
  const unknown = (message: string, cause?: unknown) =>
    new FaultError('agent.unknown', message, { ...(cause !== undefined && { cause }) });
  return {
    define(maker, make) {
      if (makers.has(maker))
        throw new FaultError(
          'agent.duplicate',
          `Agents of the maker "${maker}" are defined already in this runtime. Stored runs name their maker: give each its own name.`,
        );
      makers.set(maker, make);
      return (data) => madeBy(maker, make, toJSON(data)) as Agent;
    },
    again({ maker, data }) {
      const make = makers.get(maker);
      if (!make)
        throw unknown(
          `it was made by the maker "${maker}", which is not defined here: call defineAgents("${maker}", …) first`,
        );
      try {
        return madeBy(maker, make, data);
      } catch (error) {
        throw unknown(`its maker "${maker}" threw: ${messageOf(error)}`, error);
      }
    },
  };
};
