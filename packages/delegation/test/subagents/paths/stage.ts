/** A real manager at a real runtime, to which a test does what a path says, step by step; over as many lives as it takes. */
import { memoryStore } from '@troupe/core';
import type { SubagentRecord, SubagentResult, SubagentSummary } from '@troupe/delegation';
import { isFaultError, type RunEvent, type RunRow } from '@troupe/protocol';
import { mortalStore, scriptedProvider, type Turn } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import type { ManagerEvent } from '../../../src/subagents/manager-machine.ts';
import { memberOf } from '../../../src/subagents/members.ts';
import { heardIn } from '../heard.ts';
import { lead, openOffice, settle } from '../office.ts';
import type { Answered } from './invariants.ts';
import { limitsOf, numberOf, requesterOf, type Scene, type State, waitMs } from './scenes.ts';

export type Stage = Awaited<ReturnType<typeof openStage>>;

const sweepEveryMs = 60_000;

export const openStage = async (scene: Scene) => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const collected: SubagentResult[] = [];
  const faults: unknown[] = [];
  /** How often the end of each run was told, in any life. */
  const told = new Map<string, number>();
  let isFree = false;

  const live = () => {
    const mortal = mortalStore({ ...base, lasting: true });
    /** Turns that models were asked for, by run. */
    const turns = new Map<string, (turn: Turn) => void>();
    /** Runs that are being stored. */
    const holds = new Map<string, () => void>();
    /** Results that are pushed, by run. */
    const pushes = new Map<string, { take(): void; refuse(): void }>();
    const collects = new Map<number, { isOver: boolean; stop: AbortController }>();
    const store: typeof mortal.store = {
      ...mortal.store,
      async commit(commits) {
        const first = commits.find(
          ({ expectedSeq, row }) => expectedSeq === 0 && row.sessionKey?.startsWith('subagent-'),
        );
        if (!isFree && scene.holds && first)
          await new Promise<void>((resolve) => {
            holds.set(first.runId, () => {
              holds.delete(first.runId);
              resolve();
            });
          });
        return mortal.store.commit(commits);
      },
      async post(mail) {
        if (!isFree && mail.id.startsWith('result.')) {
          const runId = mail.id.slice('result.'.length);
          await new Promise<void>((take, refuse) => {
            pushes.set(runId, { take, refuse: () => refuse(new Error('The session is closed.')) });
          }).finally(() => pushes.delete(runId));
        }
        return mortal.store.post(mail);
      },
    };
    const provider = scriptedProvider((_request, { agent, runId }) =>
      agent === 'lead' ? 'ok' : new Promise<Turn>((resolve) => turns.set(runId, resolve)),
    );
    const office = openOffice({
      store,
      clock,
      provider,
      leaseMs: 0,
      maxWakes: Number.POSITIVE_INFINITY,
      manager: {
        ...limitsOf(scene),
        sweepEveryMs,
        archiveAfterMs: scene.does.includes('sweep') ? 1 : Number.POSITIVE_INFINITY,
      },
    });
    office.manager.events$.subscribe(({ type, runId }) => {
      if (type === 'completed' || type === 'failed' || type === 'cancelled')
        told.set(runId, (told.get(runId) ?? 0) + 1);
    });
    return { ...office, mortal, turns, holds, pushes, collects, openedAt: clock.now() };
  };
  let life = live();
  await life.manager.ready;
  const isPushed = Object.values(scene.cast).some((each) => each.isPushed);
  if (isPushed) await (await life.runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;

  const calm = () => settle(6);
  const known = async (): Promise<SubagentSummary[]> => {
    const { active, recent } = await life.manager.status();
    return [...active, ...recent];
  };
  const find = async (label: string): Promise<SubagentSummary> => {
    const found = (await known()).find((each) => each.label === label);
    if (!found) throw new Error(`There is no sub-agent "${label}".`);
    return found;
  };
  /** Refusals are answers, too. */
  let answered: Answered;
  const ask = <T>(question: Promise<T>, then?: (answer: T) => void): void => {
    const asked = question.then((value) => {
      answered = { value };
      then?.(value);
    });
    asked.catch((error: unknown) => {
      answered = { error };
      if (!isFaultError(error)) faults.push(error);
    });
  };
  /** When each was steered last. */
  const steered = new Map<string, number>();
  let sinceSteeredMs = Number.POSITIVE_INFINITY;
  /** Runs that were steered away from while they were at work. */
  const dropped: string[] = [];

  /** Does what a step says, and lets everything happen that comes of it. */
  const play = async (event: ManagerEvent, state: State): Promise<void> => {
    const { manager } = life;
    answered = undefined;
    sinceSteeredMs = Number.POSITIVE_INFINITY;
    switch (event.type) {
      case 'spawn': {
        const { record, isKnown } = event.applicant;
        const { label, config, parentId } = record;
        const cast = scene.cast[label] ?? {};
        const above = parentId === null ? null : (await find(parentId)).agentId;
        const asked = { task: label, parentId: above, label, requester: requesterOf(cast) };
        const { allowSubagents, cleanup } = config;
        if (isKnown)
          ask(manager.resume({ task: label, agentId: (await find(label)).agentId, requester: requesterOf(cast) }));
        else ask(manager.spawn({ ...asked, config: { allowSubagents, cleanup } }));
        break;
      }
      case 'steer': {
        const { agentId, at } = event;
        const before = memberOf(state.context, agentId)?.steeredAt;
        const last = steered.get(agentId);
        if (before !== undefined && last !== undefined) clock.increment(last + at - before - clock.now());
        if (last !== undefined) sinceSteeredMs = clock.now() - last;
        const found = await find(agentId);
        ask(manager.steer({ agentId: found.agentId, message: event.run.task }));
        if (sinceSteeredMs < 2_000) break;
        steered.set(agentId, clock.now());
        if (!scene.holds && found.state === 'running') dropped.push(found.runId ?? '');
        break;
      }
      case 'cancel': {
        const { cascade, agentId } = event;
        ask(manager.cancel((await find(agentId)).agentId, { cascade }));
        break;
      }
      case 'cancelAll':
        ask(manager.cancelAll());
        break;
      case 'collect': {
        const { requestId, wanted } = event;
        const wait = { isOver: false, stop: new AbortController() };
        life.collects.set(requestId, wait);
        const { collects } = life;
        const agentId = wanted.agentId === undefined ? undefined : (await find(wanted.agentId)).agentId;
        ask(manager.collect({ ...wanted, agentId, signal: wait.stop.signal }), (found) => {
          wait.isOver = true;
          if (collects === life.collects) collected.push(...found);
        });
        break;
      }
      case 'leave':
        if (event.requestId === 1) life.collects.get(1)?.stop.abort();
        else clock.increment(waitMs);
        break;
      case 'forget':
        ask(manager.forget((await find(event.agentId)).agentId));
        break;
      case 'inquired':
        break;
      case 'sweep':
        clock.increment(sweepEveryMs - ((clock.now() - life.openedAt) % sweepEveryMs));
        break;
      case 'close':
        ask(manager.close());
        break;
      case 'subagent.begun':
      case 'subagent.unbegun':
        for (const letGo of life.holds.values()) letGo();
        break;
      case 'run.ended': {
        const { runId } = await find(event.result.agentId);
        const { state: how } = event.result;
        life.turns.get(runId ?? '')?.(how === 'failed' ? { fault: { code: 'model.down', message: 'Down.' } } : 'done');
        break;
      }
      case 'handed': {
        const runId = runOf(event.result.label, numberOf(event.result.runId));
        if (event.how === 'pushed') life.pushes.get(runId)?.take();
        else
          for (const ms of [0, 1_000, 2_000, 4_000]) {
            clock.increment(ms);
            await settle(3);
            life.pushes.get(runId)?.refuse();
            await settle(3);
          }
        break;
      }
      default:
        throw new Error(`No scene does "${event.type}".`);
    }
    await calm();
  };

  const eventsStored = (): RunEvent[] => [...(base.events({}) as Iterable<RunEvent>)];
  const own = (): RunRow[] =>
    (base.list({ limit: 1_000 }) as RunRow[]).filter(({ sessionKey }) => sessionKey?.startsWith('subagent-'));

  /** The n-th run of a sub-agent, from 1. */
  const runOf = (label: string, number: number): string =>
    own()
      .filter(({ job }) => job.input === label)
      .at(-number)?.runId ?? '';

  return {
    play,
    faults,
    dropped,
    answered: () => answered,
    sinceSteeredMs: () => sinceSteeredMs,
    collected,
    told,
    eventsStored,
    own,
    /** How each stands: pending and running are the same. */
    async states(): Promise<Record<string, string>> {
      const found = (await known()).map(({ label, state }): [string, string] => [
        label,
        state === 'pending' || state === 'running' ? 'active' : state,
      ]);
      return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
    },
    /** Who is at work right below whom. */
    async below(): Promise<Record<string, string[]>> {
      const found = await Promise.all(
        (await known()).map(async ({ label, agentId }): Promise<[string, string[]]> => {
          const { active } = await life.manager.status({ parentId: agentId });
          return [label, active.map((each) => each.label)];
        }),
      );
      return Object.fromEntries(found);
    },
    waiting: (): number[] =>
      [...life.collects].flatMap(([id, { isOver }]) => (isOver ? [] : id)).toSorted((a, b) => a - b),
    isPushing: (label: string, number: number): boolean => life.pushes.has(runOf(label, number)),
    collect: async (): Promise<SubagentResult[]> => {
      const found = await life.manager.collect();
      collected.push(...found);
      return found;
    },
    async crash(): Promise<void> {
      await life.mortal.settled();
      life.mortal.die();
      steered.clear();
      life = live();
      await life.manager.ready;
      await life.runtime.recover();
      await calm();
    },
    /** Lets everything come to its end. */
    async end(): Promise<void> {
      isFree = true;
      for (const letGo of life.holds.values()) letGo();
      for (const { take } of life.pushes.values()) take();
      await calm();
      await life.manager.cancelAll();
      await calm();
    },
    records: (): SubagentRecord[] =>
      (base.search('subagents:subagents', '', { limit: 1_000 }) as unknown as { value: SubagentRecord }[]).map(
        ({ value }) => value,
      ),
    /** How often the result of each run was pushed. */
    pushed(): (runId: string) => number {
      const heard = heardIn(eventsStored());
      const inbox = base.sessionInbox() as { id: string }[];
      return (runId) => (heard[`result.${runId}`] ?? 0) + inbox.filter(({ id }) => id === `result.${runId}`).length;
    },
    close: () => life.runtime.close({ runs: 'interrupt', graceMs: 0 }),
  };
};
