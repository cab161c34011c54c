/** The manager of sub-agents: its chart, put together with the runtime and the store. */
import { guarded, type Runtime, type Tool } from '@troupe/core';
import { FaultError, faultOf, redact, toJSON } from '@troupe/protocol';
import { Subject } from 'rxjs';
import { createActor, fromCallback, fromPromise, waitFor } from 'xstate';
import type { Adoption } from './adoption.ts';
import { askManager } from './ask-manager.ts';
import { isCallUnderWay } from './collecting-call.ts';
import { createSpawnTool } from './create-spawn-tool.ts';
import { followRuns } from './follow-runs.ts';
import { handoverMachine } from './handover-machine.ts';
import { isVisibleTo, type Scope, visibleTo } from './lineage.ts';
import { type OpenRuns, openEffects } from './manager-effects.ts';
import { managerMachine } from './manager-machine.ts';
import { openViews } from './manager-views.ts';
import {
  callKeyOf,
  idsUnder,
  memberOf as memberIn,
  memberNamed,
  memberOfSession,
  membersUnder,
  treeOf,
  under,
} from './members.ts';
import { freeNameOf, labelOf, nameFor, newAgentId, sessionKeyOf, slugOf } from './names.ts';
import { pastResults } from './past-results.ts';
import { readRoster } from './read-roster.ts';
import type { Member, Roster } from './roster.ts';
import { makeSubagent, SubagentMade } from './subagent-agent.ts';
import { configOf, readConfig, resumedConfig } from './subagent-config.ts';
import { subagentMachine } from './subagent-machine.ts';
import type {
  AskedBy,
  Asking,
  CollectRequest,
  RequesterInput,
  Spawned,
  SteerOutcome,
  SubagentEvent,
  SubagentManager,
  SubagentResult,
} from './subagent-manager.ts';
import { checkRuntime, nobody, requesterOf, type SubagentOptions, subagentPolicyOf } from './subagent-options.ts';
import type { Requester, SubagentRecord } from './subagent-record.ts';

/** Runs in the background of the session that a sub-agent works for. */
const internalRequester = ({ agentId, sessionKey }: SubagentRecord): Requester => ({
  ...nobody,
  sessionKey,
  channel: `subagent:${agentId}`,
});

const unknown = (what: string): FaultError => new FaultError('subagent.unknown', what);

/** Whether none is at work, nor has a unit that is. */
const isStill = (roster: Roster): boolean =>
  idsUnder(roster, under.active).size === 0 && membersUnder(roster, under.restless).every(({ units }) => !units);

/** A task is handed on as its owner should take it. */
const orchestratedTask = (request: string): string =>
  `You are the owning orchestrator of this request: see to it that it is answered in full, by sub-agents where that helps, and give the final answer yourself.\n\nUser request: ${request}`;

/** See {@link SubagentManager}. @throws FaultError `subagent.invalid` when there is no runtime, or options contradict themselves; `agent.duplicate` when the runtime has a manager of that id */
export const createSubagentManager = (runtime: Runtime, options: SubagentOptions = {}): SubagentManager => {
  checkRuntime(runtime);
  const policy = subagentPolicyOf(options);
  const { clock, ids, logger } = runtime.environment;
  const store = `subagents:${policy.id}`;
  const told$ = new Subject<SubagentEvent>();
  const bound = new Map<string, Requester>();
  const runs: OpenRuns = new Map();
  /** Runs whose ends were read while it opened. */
  const known = new Set<string>();

  const ownSpawnTool = createSpawnTool(() => manager, { name: policy.spawnToolName });
  const toolsNow = (): readonly Tool[] =>
    policy.tools.some(({ name }) => name === policy.spawnToolName) ? policy.tools : [...policy.tools, ownSpawnTool];

  const make = runtime.defineAgents(store, (data) =>
    makeSubagent(SubagentMade.parse(data), {
      tools: toolsNow(),
      toolProfiles: policy.toolProfiles,
      spawnToolName: policy.spawnToolName,
      skills: policy.skills.tools,
      providers: policy.providers,
      approval: policy.approval,
    }),
  );

  const roster = () => actor.getSnapshot().context;
  const memberOf = (agentId: string): Member | undefined => memberIn(roster(), agentId);

  const views = openViews(runtime, policy, roster);
  const effects = openEffects(runtime, policy, {
    store,
    runs,
    agentFor: (record) => make(toJSON(views.madeOf(record))),
  });

  const actor = createActor(
    managerMachine.provide({
      actors: {
        load: fromPromise(async () => {
          const found = await readRoster(runtime, store);
          for (const { agentId, runId, model, startedAt } of found.running)
            runs.set(runId, { agentId, model, startedAt });
          for (const runId of found.ended) known.add(runId);
          return found;
        }),
        subagent: subagentMachine.provide({
          actors: {
            note: fromPromise(({ input }) => effects.note(input.record)),
            send: fromPromise(({ input }) => effects.send(input)),
          },
          actions: { stop: (_, { runIds, reason }) => effects.stop(runIds, reason) },
        }),
        handover: handoverMachine.provide({
          actors: { push: fromPromise(({ input }) => effects.push(input)) },
          actions: {
            complain: ({ context: { result } }) =>
              logger.warn(`The result of run "${result.runId}" could not be pushed; it can be collected.`),
          },
        }),
        inquiry: fromCallback(({ sendBack, input: { record } }) => {
          const { agentId } = record;
          void effects.rests(record).then((rests) => sendBack({ type: 'inquired', agentId, rests }));
        }),
        sweeper: fromCallback(({ sendBack }) =>
          effects.every(() => sendBack({ type: 'sweep', before: clock.now() - policy.archiveAfterMs })),
        ),
      },
      actions: {
        halt: (_, { runIds, reason }) => effects.stop(runIds, reason),
        note: (_, { record }) => void effects.note(record).catch(() => {}),
        erase: (_, { record, withRuns }) => effects.erase(record, withRuns),
      },
    }),
    { input: { limits: policy.limits }, clock },
  );

  actor.on('told', ({ event }) => told$.next(redact({ ...event, at: clock.now() })));
  const { opening, put, ask, made, end } = askManager(policy.id, actor, effects.noted);
  followRuns({
    runtime,
    actor,
    runs,
    known,
    opening,
    closed() {
      actor.stop();
      end();
      told$.complete();
    },
  });

  // What is shown

  const isSeen = (agentId: string, scope: Scope): boolean => isVisibleTo(treeOf(roster()), agentId, scope);

  /** The one that another goes below; a session has what it sees below itself, or is a sub-agent's own. */
  const parentFor = (parentId: string | null | undefined, scope: Scope): Member | undefined => {
    const member = parentId == null ? undefined : memberOf(parentId);
    return member && (member.record.sessionKey === scope || isSeen(member.record.agentId, scope)) ? member : undefined;
  };

  // What is asked for

  const taskIn = (task: unknown): string => {
    if (typeof task === 'string' && task.trim() !== '') return task;
    throw new FaultError('subagent.invalid', 'A sub-agent was given no task. Say what it is to do, as text.', {
      details: { field: 'task' },
    });
  };

  const boundTo = (sessionKey: string): Requester =>
    bound.get(sessionKey) ?? { ...nobody, sessionKey, channel: 'session' };

  const requesterFor = (given: RequesterInput | undefined, parent: Member | undefined, scope: Scope): Requester =>
    requesterOf(given, parent ? internalRequester(parent.record) : scope == null ? policy.requester : boundTo(scope));

  /** The sub-agent that a call has asked already: a call that is executed again asks for nothing new. */
  const askedBy = (origin: AskedBy | undefined): Member | undefined =>
    origin && membersUnder(roster(), under.call(callKeyOf(origin)))[0];

  const start = async (record: SubagentRecord, isKnown: boolean): Promise<Spawned> =>
    views.spawned((await put({ type: 'spawn', applicant: { record, isKnown } })) as SubagentRecord);

  const resumed = async (
    member: Member,
    request: Pick<Asking, 'scope'> & {
      task: string;
      label?: string;
      config?: SubagentRecord['config'];
      parentId?: string | null | undefined;
      requester?: RequesterInput | undefined;
      origin?: AskedBy | undefined;
    },
  ): Promise<Spawned> => {
    const { record } = member;
    const { task, label, config = record.config, origin, scope } = request;
    // One that is not there, or not seen, changes nothing (SB-081): what is below another does not come to the top by it.
    const asked = request.parentId === undefined ? undefined : parentFor(request.parentId, scope);
    const parent = request.parentId === null ? undefined : (asked ?? parentFor(record.parentId, null));
    const now = clock.now();
    return start(
      {
        ...record,
        label: label ?? record.label,
        config,
        parentId: parent?.record.agentId ?? null,
        depth: (parent?.record.depth ?? 0) + 1,
        requester: requesterFor(request.requester, parent, scope),
        run: { runId: ids.next('run'), task, askedAt: now, ...(origin && { origin }) },
        updatedAt: now,
      },
      true,
    );
  };

  const manager: SubagentManager = {
    id: policy.id,
    limits: policy.limits,
    roles: Object.fromEntries(policy.roles),
    ready: opening,
    events$: guarded(told$, (error) =>
      logger.error('A subscriber of sub-agent events threw.', faultOf(error, 'subscriber.failed')),
    ),

    async spawn({ task, label, name, config: given, parentId, requester, origin, scope }) {
      await opening;
      const again = askedBy(origin);
      if (again) return views.spawned(again.record);
      const said = readConfig({
        ...given,
        ...(name !== undefined && given?.mode == null && { mode: 'session' as const }),
      });
      const config = configOf(said, policy);
      if (name !== undefined && config.mode === 'run')
        throw new FaultError(
          'subagent.invalid',
          `Sub-agent "${name}" was given a name and the mode "run", which is for one task and has none. Leave one of them out.`,
          { details: { field: 'name' } },
        );
      const parent = parentFor(parentId, scope);
      const agentId = newAgentId(ids, (id) => memberOf(id) !== undefined);
      const now = clock.now();
      return start(
        {
          agentId,
          ...(name !== undefined && { name }),
          parentId: parent?.record.agentId ?? null,
          depth: (parent?.record.depth ?? 0) + 1,
          label: labelOf({
            label: label ?? null,
            task: taskIn(task),
            ...(config.role !== undefined && { role: config.role }),
          }),
          config,
          sessionKey: sessionKeyOf(agentId),
          requester: requesterFor(requester, parent, scope),
          run: { runId: ids.next('run'), task, askedAt: now, ...(origin && { origin }) },
          delivered: [],
          createdAt: now,
          updatedAt: now,
        },
        false,
      );
    },

    async resume({ name, agentId, config, ...request }) {
      await opening;
      const again = askedBy(request.origin);
      if (again) return views.spawned(again.record);
      taskIn(request.task);
      const member = name === undefined ? memberOf(agentId ?? '') : memberNamed(roster(), name);
      if (!member || !isSeen(member.record.agentId, request.scope))
        throw unknown(
          name === undefined
            ? `Sub-agent "${agentId}" was not found.`
            : `No session-mode agent named "${name}" was found. Spawn one of that name, or list those that are there.`,
        );
      return resumed(member, {
        ...request,
        ...(config != null && { config: resumedConfig(member.record.config, readConfig(config), policy) }),
      });
    },

    async dispatch({ name, request, ...about }) {
      await opening;
      const again = askedBy(about.origin);
      if (again) return views.spawned(again.record);
      const member = memberNamed(roster(), name);
      if (!member || !isSeen(member.record.agentId, about.scope))
        throw unknown(`No persistent subagent profile named "${name}".`);
      const task = taskIn(request);
      const isOrchestrator = member.record.config.routing === 'orchestrated';
      return resumed(member, {
        ...about,
        label: labelOf({ task }),
        task: isOrchestrator ? orchestratedTask(task) : task,
      });
    },

    async createProfile({ description, name, config: given, requester }) {
      await opening;
      const about = taskIn(description);
      const free = freeNameOf(slugOf(name ?? nameFor(about)), (each) => memberNamed(roster(), each) !== undefined);
      const config = configOf(readConfig({ specialization: about, keywords: [about], ...given, mode: 'session' }), {
        ...policy,
        defaultToolProfile: 'coding',
      });
      const agentId = newAgentId(ids, (id) => memberOf(id) !== undefined);
      const now = clock.now();
      const record: SubagentRecord = {
        agentId,
        name: free,
        parentId: null,
        depth: 1,
        label: labelOf({ task: about }),
        config,
        sessionKey: sessionKeyOf(agentId),
        requester: requesterOf(requester, policy.requester),
        delivered: [],
        createdAt: now,
        updatedAt: now,
      };
      await made([agentId], { type: 'create', applicant: { record, isKnown: false } });
      return views.info(memberOf(agentId) as Member);
    },

    forget: async (agentId, { scope } = {}) => (await ask({ type: 'forget', agentId, scope })) as boolean,

    async steer({ agentId, message, scope, origin }) {
      const task = taskIn(message);
      try {
        await opening;
        const again = askedBy(origin)?.record;
        if (again?.run && again.agentId === agentId)
          return { status: 'accepted', agentId, label: again.label, runId: again.run.runId };
        const at = clock.now();
        const run = { runId: ids.next('run'), task, askedAt: at, ...(origin && { origin }) };
        const outcome = (await ask({ type: 'steer', agentId, scope, run, at })) as SteerOutcome | SubagentRecord;
        if ('status' in outcome) return outcome;
        return { status: 'accepted', agentId, label: outcome.label, runId: run.runId };
      } catch (error) {
        return {
          status: 'failed',
          message: `Sub-agent ${agentId} was not steered: ${faultOf(error, 'store.unavailable').message}`,
        };
      }
    },

    cancel: async (agentId, { scope, cascade = true, reason = 'It was cancelled.' } = {}) =>
      (await ask({ type: 'cancel', agentId, scope, cascade, reason })) as { cancelled: boolean; descendants: number },

    cancelAll: async ({ scope, parentId, reason = 'It was cancelled.' } = {}) =>
      (await ask({ type: 'cancelAll', scope, parentId, reason })) as number,

    async status(asking) {
      await opening;
      return views.status(asking);
    },

    async info(agentId, { scope } = {}) {
      await opening;
      const member = isSeen(agentId, scope) ? memberOf(agentId) : undefined;
      return member ? views.info(member) : null;
    },

    async listPersistent({ scope } = {}) {
      await opening;
      const named = visibleTo(treeOf(roster()), scope).filter(({ name }) => name !== undefined);
      const found = await Promise.all(named.flatMap(({ agentId }) => memberOf(agentId) ?? []).map(views.info));
      return found.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
    },

    async collect(wanted: CollectRequest = {}) {
      await opening;
      const { signal, ...request } = wanted;
      const before = await pastResults(runtime, roster(), request);
      if (before.length > 0 && !request.includeDelivered) return before;
      const isCall = await isCallUnderWay(runtime, request.by);
      // Nobody would be given what is there.
      if (signal?.aborted) return [];
      const timeoutMs = before.length > 0 ? 0 : request.timeoutMs;
      const asked = { ...request, timeoutMs, isCall };
      const found = (await put({ type: 'collect', wanted: asked }, signal)) as SubagentResult[];
      return [...before.filter(({ runId }) => !found.some((each) => each.runId === runId)), ...found];
    },

    agentOf(sessionKey) {
      return memberOfSession(roster(), sessionKey)?.record ?? null;
    },

    bind(requester) {
      bound.set(requester.sessionKey, { ...requester });
    },
    boundTo,

    async adopt(records) {
      await opening;
      const news = records.flatMap(({ agentId }) => (memberOf(agentId) ? [] : agentId));
      const { adopted, left } = (await made(news, { type: 'adopt', records: redact([...records]) })) as Adoption;
      const { maxPersistent } = policy.limits;
      const words = {
        there: 'is there already, and was left out.',
        room: `was left out: ${maxPersistent} persistent agents are kept at most (maxPersistent).`,
        above: 'was left out with the one that it is below.',
      };
      return {
        adopted: adopted.length,
        notes: left.map(({ agentId, name, why }) => `${name ?? agentId} ${words[why]}`),
      };
    },

    async close({ runs: how = 'leave' } = {}) {
      await opening.catch(() => {});
      // A runtime that is closed has ended them all, or lets them be.
      if (actor.getSnapshot().status !== 'active') return;
      const stops = how === 'interrupt';
      actor.send({ type: 'close', stopping: stops ? 'The manager was closed.' : null });
      if (stops)
        await waitFor(actor, ({ context }) => isStill(context), { timeout: Number.POSITIVE_INFINITY }).catch(() => {});
    },
  };

  return manager;
};
