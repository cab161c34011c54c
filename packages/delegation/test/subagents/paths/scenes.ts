/** What the world may do to a manager, scene by scene; and what follows by itself. */
import type { Requester, SubagentLimits, SubagentRecord, SubagentResult } from '@troupe/delegation';
import { type ActorRefFrom, type SnapshotFrom, transition } from 'xstate';
import type { handoverMachine } from '../../../src/subagents/handover-machine.ts';
import { type ManagerEvent, managerMachine } from '../../../src/subagents/manager-machine.ts';
import { membersOf as everyMember, memberOf, noMembers, withMembers } from '../../../src/subagents/members.ts';
import { type Activity, isActive, type Member } from '../../../src/subagents/roster.ts';
import { recordOf } from '../asked.ts';

export type State = SnapshotFrom<typeof managerMachine>;

/** One sub-agent of a scene. Its label is its name here and its task there. */
type Cast = { parent?: string; leads?: true; leaves?: true; session?: string; isPushed?: true };

export type Scene = {
  cast: Readonly<Record<string, Cast>>;
  limits?: Partial<SubagentLimits>;
  /** What is asked is stored, and then waits: that it has begun is a step of its own. */
  holds?: true;
  does: readonly (
    | 'steer'
    | 'cancel'
    | 'cancelAlone'
    | 'cancelAll'
    | 'collect'
    | 'wait'
    | 'waitForFirst'
    | 'resume'
    | 'forget'
    | 'sweep'
    | 'close'
  )[];
  /** Those that may fail, besides. */
  fails?: readonly string[];
};

export const limitsOf = ({ limits }: Scene): SubagentLimits => ({
  maxDepth: 2,
  maxChildrenPerAgent: 5,
  maxTotal: 2,
  maxPersistent: 2,
  ...limits,
});

export const requesterOf = ({ session, isPushed }: Cast): Requester => ({
  sessionKey: session ?? null,
  channel: isPushed ? 'telegram:main' : null,
  metadata: {},
  replyTo: null,
});

export const scenes = {
  'has two of them at most, one perhaps below the other': {
    cast: { a: { leads: true }, b: {}, n: { parent: 'a' } },
    does: ['cancel', 'cancelAlone', 'cancelAll'],
    fails: ['a'],
  },
  'has one for each session at most': {
    cast: { a: { session: 'chat' }, b: { session: 'chat' } },
    limits: { maxChildrenPerAgent: 1 },
    does: ['cancel'],
  },
  steers: { cast: { a: {} }, does: ['steer', 'cancel'] },
  'steers and cancels what is still being stored': { cast: { a: {} }, holds: true, does: ['steer', 'cancel'] },
  'is waited for': { cast: { a: {}, b: {} }, does: ['wait', 'waitForFirst'] },
  pushes: { cast: { a: { session: 'chat', isPushed: true } }, does: ['collect', 'wait', 'close'] },
  'asks again': { cast: { a: { session: 'chat', isPushed: true } }, does: ['cancel', 'resume'] },
  forgets: { cast: { a: { leads: true }, n: { parent: 'a', leaves: true } }, does: ['collect', 'forget', 'sweep'] },
} satisfies Record<string, Scene>;

// What there is

export const membersOf = ({ context }: State): Member[] => everyMember(context);
const isBegun = ({ record: { run } }: Member, { runId }: Activity): boolean =>
  run?.begun === true && run.runId === runId;
const isSteeredAway = ({ record }: Member, { runId }: Pick<Activity, 'runId'>): boolean =>
  record.delivered.some((each) => each.runId === runId && each.how === 'steered');
/** The run that is being stored. */
export const beginningOf = (member: Member): Activity | undefined =>
  member.open.find((run) => run.startedAt === undefined && !isBegun(member, run));
/** The run whose model is asked. */
export const workingOf = (member: Member): Activity | undefined =>
  member.open.find((run) => run.startedAt !== undefined && !isSteeredAway(member, run));
/** Results that are being pushed. */
const pushesOf = ({ children }: State): SubagentResult[] =>
  Object.entries(children).flatMap(([id, child]) =>
    id.startsWith('handover.') ? (child as ActorRefFrom<typeof handoverMachine>).getSnapshot().context.result : [],
  );

export const numberOf = (runId = ''): number => Number(/\d+$/.exec(runId)?.[0] ?? 0);

// What can happen

/** What was asked, as it would be stored. */
const askOf = (member: Member, run: Activity): { record: SubagentRecord; before?: Member; requestId: number } => {
  const { record, open } = member;
  if (run.restarted !== true) return { record, requestId: 0 };
  const before = open.slice(0, open.indexOf(run));
  return {
    requestId: 0,
    before: member,
    record: {
      ...record,
      run: { runId: run.runId, task: run.runId, askedAt: run.askedAt, restarted: true },
      delivered: [...record.delivered, ...before.map(({ runId }) => ({ runId, how: 'steered' as const }))],
    },
  };
};

const endOf = ({ record }: Member, { runId }: Activity, state: SubagentResult['state']): ManagerEvent => ({
  type: 'run.ended',
  at: 0,
  result: {
    agentId: record.agentId,
    runId,
    label: record.label,
    state,
    result: state === 'completed' ? 'done' : null,
    error: state === 'completed' ? null : state,
    elapsedSeconds: 0,
    model: 'm',
    requester: record.requester,
  },
});

const followUpOf = (member: Member, holds: boolean): ManagerEvent | undefined => {
  const { open, isStopping, record } = member;
  const { agentId } = record;
  const beginning = beginningOf(member);
  const isJustBegun = open.some((run) => run.startedAt === undefined && isBegun(member, run));
  // Asked for before it was cancelled, and behind what had begun to be stored by then.
  const asked = record.cancelled?.runIds ?? [];
  const overtaken = asked
    .slice(asked.indexOf((record.run?.begun && record.run.runId) || '') + 1)
    .find((runId) => isSteeredAway(member, { runId }));
  const isBehind = beginning !== undefined && isSteeredAway(member, beginning) && overtaken !== beginning.runId;
  if (beginning && isStopping && (isJustBegun || isBehind))
    return { type: 'subagent.unbegun', ask: askOf(member, beginning), error: new Error('It was cancelled.') };
  if (beginning && holds && isStopping && isSteeredAway(member, beginning)) return undefined;
  if (beginning && !holds) return { type: 'subagent.begun', ask: askOf(member, beginning) };
  const [first] = open;
  if (!first) return undefined;
  if (isSteeredAway(member, first)) return endOf(member, first, 'cancelled');
  if (first.startedAt === undefined)
    return isBegun(member, first) ? { type: 'run.began', agentId, runId: first.runId, model: 'm', at: 0 } : undefined;
  return isStopping ? endOf(member, first, 'cancelled') : undefined;
};

/** What happens next without anybody's doing. */
export const followUp = (scene: Scene, state: State): ManagerEvent | undefined =>
  membersOf(state)
    .toSorted((a, b) => b.record.depth - a.record.depth)
    .flatMap((member): ManagerEvent | [] => {
      const { agentId } = member.record;
      return member.isInQuestion
        ? { type: 'inquired', agentId, rests: true }
        : (followUpOf(member, scene.holds === true) ?? []);
    })[0];

const spawnsOf = ({ cast }: Scene, { context }: State): ManagerEvent[] =>
  Object.entries(cast).flatMap(([name, { parent, leads, leaves, ...rest }], at): ManagerEvent[] => {
    const isThere = memberOf(context, name) !== undefined || context.kept.some(({ agentId }) => agentId === name);
    // The first comes first: any other order is the same under other names.
    if (isThere || (parent !== undefined && !memberOf(context, parent)) || (at > 0 && !memberOf(context, 'a')))
      return [];
    const plain = recordOf(name, `${name}1`);
    const record: SubagentRecord = {
      ...plain,
      parentId: parent ?? null,
      depth: parent === undefined ? 1 : 2,
      requester: requesterOf(rest),
      config: { ...plain.config, allowSubagents: leads === true, cleanup: leaves ? 'delete' : 'keep' },
    };
    return [{ type: 'spawn', requestId: 0, applicant: { record, isKnown: false } }];
  });

const steeringsOf = ({ record, steeredAt, open }: Member): ManagerEvent[] => {
  const { agentId } = record;
  const runId = `${agentId}${numberOf(open.at(-1)?.runId ?? record.run?.runId) + 1}`;
  if (numberOf(runId) > 3) return [];
  const steer = (at: number): ManagerEvent => ({
    type: 'steer',
    requestId: 0,
    agentId,
    scope: undefined,
    run: { runId, task: runId, askedAt: at },
    at,
  });
  return steeredAt === undefined ? [steer(0)] : [steer(steeredAt + 1_999), steer(steeredAt + 2_000)];
};

const resumed = ({ record }: Member): ManagerEvent[] => {
  const runId = `${record.agentId}${numberOf(record.run?.runId) + 1}`;
  if (numberOf(runId) > 2) return [];
  const run = { runId, task: runId, askedAt: 0 };
  return [{ type: 'spawn', requestId: 0, applicant: { record: { ...record, run }, isKnown: true } }];
};

const longWaitMs = 1_000_000;
export const waitMs = 100_000;

const doings: Record<Scene['does'][number], (state: State) => ManagerEvent[]> = {
  steer: (state) => membersOf(state).flatMap(steeringsOf),
  // One that has ended is enough.
  cancel: (state) =>
    membersOf(state).flatMap((member) => {
      const { agentId } = member.record;
      return isActive(member) || agentId === 'a' ? cancelOf(agentId, true) : [];
    }),
  cancelAlone: (state) =>
    membersOf(state).flatMap(({ record: { parentId } }) => (parentId === null ? [] : cancelOf(parentId, false))),
  cancelAll: () => [{ type: 'cancelAll', requestId: 0, scope: undefined, reason: 'enough' }],
  collect: (state) =>
    state.context.kept.length > 0 || !membersOf(state).some(isActive)
      ? [{ type: 'collect', requestId: 0, wanted: {} }]
      : [],
  wait: ({ context }) =>
    context.waiters.some(({ id }) => id === 2)
      ? [{ type: 'leave', requestId: 2 }]
      : [{ type: 'collect', requestId: 2, wanted: { timeoutMs: waitMs } }],
  waitForFirst: ({ context }) => {
    if (context.waiters.some(({ id }) => id === 1)) return [{ type: 'leave', requestId: 1 }];
    return memberOf(context, 'a')
      ? [{ type: 'collect', requestId: 1, wanted: { agentId: 'a', timeoutMs: longWaitMs } }]
      : [];
  },
  resume: (state) => membersOf(state).flatMap(resumed),
  forget: (state) =>
    membersOf(state).map(({ record: { agentId } }) => ({ type: 'forget', requestId: 0, agentId, scope: undefined })),
  sweep: () => [{ type: 'sweep', before: 1 }],
  close: () => [{ type: 'close', stopping: null }],
};

const cancelOf = (agentId: string, cascade: boolean): ManagerEvent => ({
  type: 'cancel',
  requestId: 0,
  agentId,
  cascade,
  scope: undefined,
  reason: 'enough',
});

/** What the world may do now. Where something follows by itself, nothing else comes before it. */
const eventsOf = (scene: Scene, state: State): ManagerEvent[] => {
  if (state.matches('opening')) return [];
  const next = followUp(scene, state);
  if (next) return [next];
  const members = membersOf(state);
  const ends = members.flatMap((member) => {
    const run = workingOf(member);
    if (!run) return [];
    const fails = scene.fails?.includes(member.record.agentId) ? [endOf(member, run, 'failed')] : [];
    return [endOf(member, run, 'completed'), ...fails];
  });
  const begins = members.flatMap((member): ManagerEvent[] => {
    const run = beginningOf(member);
    if (!run) return [];
    const ask = askOf(member, run);
    // What it was to be steered to and was overtaken never was.
    return isSteeredAway(member, run)
      ? [{ type: 'subagent.unbegun', ask, error: new Error('It was cancelled.') }]
      : [{ type: 'subagent.begun', ask }];
  });
  const pushes = pushesOf(state).flatMap((result) =>
    (['pushed', 'kept'] as const).map((how): ManagerEvent => ({ type: 'handed', result, how })),
  );
  const asked = state.matches('open')
    ? [...spawnsOf(scene, state), ...scene.does.flatMap((what) => doings[what](state))]
    : [];
  return [...asked, ...begins, ...ends, ...pushes];
};

/** What of the context decides what can happen next. */
const abstractIn =
  ({ does }: Scene) =>
  (_: State['context'], state: State): unknown => {
    const { kept, waiters } = state.context;
    const isCollected = does.includes('collect') || does.includes('wait');
    const byName = (a: Member, b: Member): number => (a.record.agentId < b.record.agentId ? -1 : 1);
    const standings = membersOf(state)
      .toSorted(byName)
      .map((member) => [
        member.record.agentId,
        member.record.parentId,
        does.includes('resume') && member.record.run?.runId,
        member.open.map((run) => [
          run.runId,
          run.startedAt === undefined,
          isBegun(member, run),
          isSteeredAway(member, run),
        ]),
        member.isStopping,
        member.steeredAt !== undefined,
      ]);
    return [
      standings,
      isCollected && kept.map(({ agentId }) => agentId).toSorted(),
      waiters.map(({ id }) => id),
      pushesOf(state)
        .map(({ runId }) => runId)
        .toSorted(),
    ];
  };

export const casesOf = (scene: Scene) => ({
  input: { limits: limitsOf(scene) },
  settles: {
    load: () => [
      { output: { members: [], open: {}, asks: [], results: [], running: [], ended: [], units: {}, gone: [] } },
    ],
  },
  events: (state: State): ManagerEvent[] => eventsOf(scene, state),
  abstract: abstractIn(scene),
});

export const next = (state: State, event: ManagerEvent): State => transition(managerMachine, state, event)[0];

/** What is left of a manager in the next life of its program. Waiters are not, nor when somebody was steered last. */
export const afterCrash = (state: State): State => {
  const { context } = state;
  const members = withMembers(
    noMembers,
    membersOf(state).map((member): Member => {
      const { steeredAt: _, ...rest } = member;
      const beginning = beginningOf(member);
      if (!beginning) return rest;
      // What was overtaken by a cancel does not begin again.
      if (isSteeredAway(member, beginning)) return { ...rest, open: member.open.filter((run) => run !== beginning) };
      // What was being stored is there, what was to be stored after that is not.
      const { record: asked } = askOf(member, beginning);
      const record = { ...asked, delivered: member.record.delivered };
      const open = member.open.slice(0, member.open.indexOf(beginning) + 1);
      const { runId } = open.find((run) => !isSteeredAway({ ...member, record }, run)) ?? beginning;
      const activity = open.find((run) => run.runId === runId) ?? beginning;
      const now = activity.startedAt === undefined ? ('pending' as const) : ('running' as const);
      return { ...rest, record, open, activity, state: now };
    }),
  );
  return managerMachine.resolveState({
    value: 'open',
    context: {
      ...context,
      members,
      awake: {},
      waiters: [],
      // Of those that are forgotten nothing is left, and what could not be pushed is pushed again.
      kept: context.kept.filter(
        ({ agentId, requester }) => memberOf({ members }, agentId) !== undefined && requester.channel === null,
      ),
    },
  });
};
