/** Where a child is executed, decided when it is started: its queue is stored with it. */
import { faultOf, type Logger, type RunRow } from '@troupe/protocol';
import type { AnyAgent } from '../define-agent.ts';
import { type Job, jobDataOf } from '../job.ts';
import type { LiveRun } from '../run/live-run.ts';
import { toolsOf } from '../runtime/definition-of.ts';
import { type ChildToPlace, checkPlace, defaultQueue, type PlaceRule } from './place.ts';

/** The queue of a child that others are to execute. What throws, or is no place, is logged, and the child stays where its parent is. */
const queueOf = (child: ChildToPlace, rule: PlaceRule, logger: Logger): string | undefined => {
  let place: unknown = child.agent.placement;
  try {
    place ??= typeof rule === 'function' ? rule(child) : rule;
    checkPlace(place, `The place of "${child.agent.name}"`);
  } catch (error) {
    const fault = faultOf(error, 'placement.invalid');
    logger.error(`"${child.agent.name}" is executed where its parent is: nobody could say where else.`, fault);
    return undefined;
  }
  if (place === 'local' || place === undefined) return undefined;
  return place === 'remote' ? defaultQueue : (place as { queue: string }).queue;
};

/** The same for runs of a runtime: what nobody can make again of what is stored stays where it is. */
export const queueBy =
  (
    { place, logger }: { place: PlaceRule; logger: Logger },
    /** Whether other processes that run the same program find an agent again, or can make it. */
    isKnown: (agent: AnyAgent, made: RunRow['made']) => boolean,
  ) =>
  (parent: LiveRun, agent: AnyAgent, job: Job, made: RunRow['made']): string | undefined => {
    const isWhole = [...toolsOf(agent, job).tools.values()].every((tool) => agent.tools.includes(tool));
    if (!isWhole || !isKnown(agent, made)) return undefined;
    const data = jobDataOf(job, `"${agent.name}"`);
    return queueOf({ agent, job: data, parent: parent.agent.name, depth: parent.depth + 1 }, place, logger);
  };
