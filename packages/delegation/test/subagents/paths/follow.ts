/** Paths of the chart, followed on a real runtime. */
import type { SubagentResult } from '@troupe/delegation';
import { isEnded } from '@troupe/protocol';
import { checkRunLaws, keyOf, type Path, pathsOf } from '@troupe/testing';
import { expect } from 'vitest';
import { type ManagerEvent, managerMachine } from '../../../src/subagents/manager-machine.ts';
import { memberOf } from '../../../src/subagents/members.ts';
import { isActive } from '../../../src/subagents/roster.ts';
import { expectInvariants } from './invariants.ts';
import {
  afterCrash,
  beginningOf,
  casesOf,
  followUp,
  membersOf,
  next,
  numberOf,
  type Scene,
  type State,
  workingOf,
} from './scenes.ts';
import { openStage, type Stage } from './stage.ts';

/** Everything has happened that follows by itself. */
const atRest = (scene: Scene, state: State): State => {
  const event = followUp(scene, state);
  return event ? atRest(scene, next(state, event)) : state;
};

const isNobodysDoing = (scene: Scene, before: State, event: ManagerEvent): boolean =>
  JSON.stringify(followUp(scene, before)) === JSON.stringify(event);

/** After a crash a path may speak of what is not there any more. */
const isPossible = (stage: Stage, { context }: State, event: ManagerEvent): boolean => {
  switch (event.type) {
    case 'spawn': {
      const { record, isKnown } = event.applicant;
      return (
        isKnown === (memberOf(context, record.agentId) !== undefined) &&
        (record.parentId === null || !!memberOf(context, record.parentId))
      );
    }
    case 'steer':
    case 'cancel':
    case 'forget':
      return memberOf(context, event.agentId) !== undefined;
    case 'collect':
      return event.wanted.agentId === undefined || memberOf(context, event.wanted.agentId) !== undefined;
    case 'subagent.begun':
    case 'subagent.unbegun': {
      const member = memberOf(context, event.ask.record.agentId);
      return member !== undefined && beginningOf(member)?.runId === event.ask.record.run?.runId;
    }
    case 'run.ended': {
      const member = memberOf(context, event.result.agentId);
      return member !== undefined && workingOf(member)?.runId === event.result.runId;
    }
    case 'handed':
      return stage.isPushing(event.result.label, numberOf(event.result.runId));
    default:
      return true;
  }
};

/** The roster of the path, as it can be seen from outside. */
const seen = (state: State) => ({
  states: Object.fromEntries(
    membersOf(state)
      .map((member): [string, string] => [member.record.label, isActive(member) ? 'active' : member.state])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ),
  waiting: state.context.waiters.map(({ id }) => id).toSorted((a, b) => a - b),
});

const agree = async (stage: Stage, state: State, what: string): Promise<void> => {
  expect({ states: await stage.states(), waiting: stage.waiting() }, what).toEqual(seen(state));
  expect(stage.faults, what).toEqual([]);
};

/** What must hold at the end of every story: one end and one result for each run, delivered once. */
const settleAccounts = async (stage: Stage, crashes: boolean): Promise<void> => {
  await stage.end();
  const kept = (await stage.collect()).map(({ runId }) => runId);
  expect(checkRunLaws(stage.eventsStored())).toEqual([]);
  expect(stage.own().filter(({ status }) => !isEnded(status))).toEqual([]);
  expect(Object.values(await stage.states())).not.toContain('active');
  for (const runId of stage.dropped) expect(stage.told.get(runId), `${runId} was steered away from`).toBeUndefined();
  const pushed = stage.pushed();
  const records = stage.records();
  for (const { runId, sessionKey } of stage.own()) {
    const times = pushed(runId) + stage.collected.filter((result) => result.runId === runId).length;
    expect(times, `results of ${runId}`).toBeLessThanOrEqual(1);
    const record = records.find((each) => each.sessionKey === sessionKey);
    if (!record || record.gone) continue;
    const isSteered = record.delivered.some((each) => each.runId === runId && each.how === 'steered');
    expect(times, `results of ${runId}`).toBe(isSteered ? 0 : 1);
    const told = stage.told.get(runId) ?? 0;
    if (!crashes) expect(told, `tellings of ${runId}`).toBe(isSteered ? 0 : 1);
    if (kept.includes(runId)) expect(record.delivered.find((each) => each.runId === runId)?.how).toBe('pulled');
  }
};

const isHeardWhenClosed = new Set<ManagerEvent['type']>(['run.ended', 'handed', 'subagent.begun', 'subagent.unbegun']);

/**
 * Plays a path; after each step the manager's roster must be that of the path.
 *
 * @param dies Whether its program is killed behind a step, and brought back.
 */
const follow = async (
  scene: Scene,
  { steps }: Path<typeof managerMachine>,
  dies: (at: number, state: State) => boolean,
): Promise<void> => {
  const stage = await openStage(scene);
  let state = steps[1]?.state as State;
  let crashes = 0;
  const crash = async (): Promise<void> => {
    await stage.crash();
    state = atRest(scene, afterCrash(state));
    crashes += 1;
  };
  for (const [at, { event: any }] of steps.entries()) {
    const event = any as ManagerEvent;
    const previous = steps[at - 1]?.state as State;
    const isDone = at > 1 && !isNobodysDoing(scene, previous, event) && isPossible(stage, state, event);
    if (isDone && (state.matches('open') || isHeardWhenClosed.has(event.type))) {
      const before = await stage.states();
      const below = await stage.below();
      await stage.play(event, state);
      state = atRest(scene, next(state, event));
      await agree(stage, state, `after ${event.type}`);
      const { answered, sinceSteeredMs } = stage;
      expectInvariants(scene, event, {
        before,
        below,
        after: await stage.states(),
        answered: answered(),
        sinceSteeredMs: sinceSteeredMs(),
      });
    }
    if (dies(at, state)) {
      await crash();
      await agree(stage, state, `after a crash behind ${event.type}`);
    }
  }
  // what was kept can be collected, by those who come after a manager that was closed, too
  if (state.matches('closed')) await crash();
  const named = ({ label, state: how }: SubagentResult): string => `${label} ${how}`;
  const kept = (await stage.collect()).map(named);
  expect(kept.toSorted()).toEqual(state.context.kept.map(named).toSorted());
  await settleAccounts(stage, crashes > 0);
  await stage.close();
};

/**
 * The same with a crash behind every step that somebody does. Where a crash changes what is known, the rest of the path is played
 * without another one, and the path again with the next.
 *
 * @param seen Beginnings of paths behind which it was killed already: paths share them, and once is enough.
 */
const followKilled = async (scene: Scene, path: Path<typeof managerMachine>, seen: Set<string>): Promise<void> => {
  const beginnings = path.steps.map((_, at) =>
    path.steps
      .slice(0, at + 1)
      .map(({ event }) => JSON.stringify(event))
      .join(),
  );
  // What is done is stored, and so is what follows by itself.
  const isStored = ({ state }: { state: State }): boolean => !followUp(scene, state);
  const isDue = (at: number): boolean =>
    at > 1 && !seen.has(beginnings[at] ?? '') && isStored(path.steps[at] as { state: State });
  while (path.steps.some((_, at) => isDue(at))) {
    let isChanged = false;
    let last = '';
    await follow(scene, path, (at, state) => {
      if (isChanged || !isDue(at)) return false;
      seen.add(beginnings[at] ?? '');
      isChanged = keyIn(scene, state) !== keyIn(scene, atRest(scene, afterCrash(state)));
      last = `, killed behind ${nameOf(path.steps[at]?.event ?? {})} (${at})`;
      return true;
    }).catch((error: unknown) => {
      throw new Error(`On the path ${told(path)}${last}: ${String(error)}`, { cause: error });
    });
  }
};

const nameOf = (event: object): string => {
  const { type, agentId, applicant, result } = event as Record<'type', string> & {
    agentId?: string;
    applicant?: { record: { agentId: string } };
    result?: { runId: string };
  };
  return [type, agentId ?? applicant?.record.agentId ?? result?.runId].filter(Boolean).join(' ');
};
const told = ({ steps }: Path<typeof managerMachine>): string => steps.map(({ event }) => nameOf(event)).join(' → ');

const keyIn = (scene: Scene, state: State): string => keyOf<typeof managerMachine>(casesOf(scene), state);
const pathsIn = (scene: Scene) => pathsOf(managerMachine, casesOf(scene));

/** Follows every path of a scene. */
export const followAll = async (scene: Scene): Promise<number> => {
  const paths = pathsIn(scene);
  for (const path of paths)
    await follow(scene, path, () => false).catch((error: unknown) => {
      throw new Error(`On the path ${told(path)}: ${String(error)}`, { cause: error });
    });
  return paths.length;
};

/** The same with a crash behind every step; gives how many there were. */
export const crashAll = async (scene: Scene): Promise<number> => {
  const seen = new Set<string>();
  for (const path of pathsIn(scene)) await followKilled(scene, path, seen);
  return seen.size;
};
