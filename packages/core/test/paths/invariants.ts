/** What must hold of a run at every moment, said without its chart. */
import { type AnyEventObject, matchesState } from 'xstate';
import type { AgentContext, RunContext } from '../../src/agent/context.ts';
import { poolKinds } from '../../src/agent/limits.ts';
import type { Stage } from './stage.ts';

type Moment = {
  stage: Stage;
  context: RunContext;
  isIn(state: object | string): boolean;
  active: boolean;
  event: AnyEventObject;
};

const invariants: Record<string, (moment: Moment) => boolean> = {
  'L9 its model works exactly while it thinks or summarises': ({ stage, active, isIn }) => {
    const thinks = active && (isIn({ running: 'thinking' }) || isIn({ running: 'compacting' }));
    return stage.outside.inFlight(stage.runId).length === Number(thinks);
  },
  'L3 a call that executes has an actor, and no other has': ({ stage, context, active }) => {
    const executing = context.calls
      .flat()
      .flatMap(({ phase, outcome }, at) => ((phase === 'running' || phase === 'closing') && !outcome ? [at] : []));
    return !active || stage.callActors().join() === executing.join();
  },
  'L2 nobody works for a run that has ended': ({ stage, active }) =>
    active || stage.outside.working().every((work) => 'runId' in work && work.runId !== stage.runId),
  'L4 what is promised is there': ({ context: { allowance, spent, reserved } }) =>
    poolKinds.every(
      (kind) =>
        reserved[kind] === 0 || spent[kind] + reserved[kind] <= (allowance.limits[kind] ?? Number.POSITIVE_INFINITY),
    ),
  'L4 nothing is promised to children that have ended': ({ context: { calls, reserved } }) =>
    calls.flat().some(({ live }) => live > 0) || poolKinds.every((kind) => reserved[kind] === 0),
  'L4 no more turns than its budget': ({ context }) =>
    context.turns <= (context.allowance.limits.turns ?? Number.POSITIVE_INFINITY),
  'L1 it has told one end if it has ended, and none before': ({ stage, active }) =>
    stage.endings().length === Number(!active),
  'a person is asked exactly while a call waits for one': ({ stage, context, active }) =>
    !active || stage.run.questions.length > 0 === context.calls.flat().some(({ phase }) => phase === 'asking'),
  'nobody is asked where a policy says so': ({ stage, context }) =>
    context.approval === undefined || stage.events.every(({ type }) => type !== 'question.asked'),
  'what a person answered waits only as long as the run is paused': ({ context, active, isIn }) =>
    !active ||
    isIn({ paused: 'command' }) ||
    isIn('interrupting') ||
    context.calls.flat().every(({ phase }) => phase !== 'ready'),
  'it waits for a person only when a call or a child does': ({ context, active, isIn }) =>
    !active ||
    !isIn({ paused: 'question' }) ||
    context.calls.flat().some(({ phase, asking }) => phase === 'asking' || asking > 0),
  'what it says of itself is how it stands': ({ stage, context, active, isIn }) =>
    !active ||
    stage.run.status ===
      (isIn('queued') && context.announced === 'queued'
        ? 'queued'
        : isIn('paused')
          ? 'paused'
          : isIn('interrupting')
            ? 'interrupting'
            : 'running'),
  'a command reaches the children that live': ({ stage, context, event }) =>
    !['pause', 'resume', 'interrupt'].includes(event.type) ||
    context.calls
      .flat()
      .flatMap(({ children }) => children.flat())
      .filter(({ status }) => status !== 'ended')
      .every(({ runId }) => stage.heardBy(runId).at(-1) === event.type || event.type === 'resume'),
};

export const brokenIn = (stage: Stage, event: AnyEventObject): string[] => {
  const state = stage.state();
  const context = (state.context as AgentContext).run;
  const moment: Moment = {
    stage,
    context,
    event,
    active: state.status === 'active',
    isIn: (wanted) => matchesState(wanted as never, state.value),
  };
  return Object.entries(invariants).flatMap(([name, holds]) =>
    holds(moment) ? [] : [`not so after ${event.type}: ${name}`],
  );
};
