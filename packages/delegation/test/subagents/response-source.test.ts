import { memoryStore, type Runtime } from '@troupe/core';
import { createSubworkerTool, type ResponseSource, sourceOf, toWireSource, withSource } from '@troupe/delegation';
import type { EventOf, JSONValue, RunEvent } from '@troupe/protocol';
import * as fc from 'fast-check';
import { from, lastValueFrom, Subject, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { lead, type Office, openOffice, settle } from './office.ts';

const agent = { type: 'agent', isSubagent: false, subagentId: null, subagentName: null };
const subagent = (subagentId: string, subagentName: string | null = null) => ({
  type: 'subagent',
  isSubagent: true,
  subagentId,
  subagentName,
});

type Sourced = RunEvent & { source: ResponseSource };
const sourced = (office: Pick<Office, 'manager' | 'runtime'>, events: readonly RunEvent[]): Promise<Sourced[]> =>
  lastValueFrom(from(events).pipe(withSource(office.manager, office.runtime), toArray()), { defaultValue: [] });
const keyOf = (event: RunEvent) => ('id' in event ? event.id : `${event.runId} ${event.seq} ${event.part}`);

/** Every source that an event was told with, by the run that it is of. */
const byRun = (events: readonly Sourced[]): Record<string, ResponseSource[]> => {
  const found: Record<string, ResponseSource[]> = {};
  for (const { runId, source } of events) {
    const known = found[runId] ?? [];
    found[runId] = known;
    if (!known.some((each) => JSON.stringify(each) === JSON.stringify(source))) known.push(source);
  }
  return found;
};

/** Listens to events that are given by hand, and counts what is asked of the store. */
const listen = async ({ manager, runtime }: Pick<Office, 'manager' | 'runtime'>) => {
  const asked: string[] = [];
  const get: Runtime['runs']['get'] = (runId) => {
    asked.push(runId);
    return runtime.runs.get(runId);
  };
  const given$ = new Subject<RunEvent>();
  const told: Sourced[] = [];
  given$.pipe(withSource(manager, { runs: { get } })).subscribe((event) => told.push(event));
  await settle(1);
  return { give: (event: RunEvent) => given$.next(event), asked, told };
};

/** A lead that was talked to, a named sub-agent with a child of its own run, and one whose second run was queued. */
const openHouse = async () => {
  const spawn = { name: 'spawn_subworker', arguments: { name: 'helper', instructions: 'Help.', task: 'help' } };
  const office = openOffice({
    manager: { tools: [createSubworkerTool()], toolProfiles: { core: ['spawn_subworker'] } },
    script: (word, _agent, messages) =>
      word === 'delegate it' && messages.at(-1)?.role === 'user' ? { calls: [spawn] } : undefined,
  });
  const { runtime, manager } = office;
  await (await runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
  await runtime.run(lead, 'without a session');
  const nina = await manager.spawn({ task: 'delegate it', name: 'nina', scope: 'chat', requester: { channel: null } });
  const other = await manager.spawn({ task: 'hang on' });
  await settle();
  await manager.steer({ agentId: other.agentId, message: 'count the files' });
  await settle();
  return { ...office, nina, other };
};

describe('the source of an answer', () => {
  test('stands in every event of every run, also of runs below a sub-agent, and of runs that were queued [SB-170]', async () => {
    const office = await openHouse();
    const { events, nina, other } = office;
    const told = await sourced(office, events);
    expect(told).toEqual(events.map((event) => ({ ...event, source: expect.anything() })));
    const sources = byRun(told);
    expect(Object.values(sources).every((each) => each.length === 1)).toBe(true);
    expect(sources[nina.runId]).toEqual([subagent(nina.agentId, 'nina')]);
    expect(sources[`${nina.runId}/1-0/0`]).toEqual([subagent(nina.agentId, 'nina')]);
    expect(sources[other.runId]).toEqual([subagent(other.agentId)]);
    const whose = Object.values(sources).map(([source]) => source?.subagentId);
    expect(whose.filter((id) => id === null)).toHaveLength(2);
    expect(whose.filter((id) => id === other.agentId)).toHaveLength(2);
    expect(events.some(({ type }) => type === 'run.queued')).toBe(true);
  });

  test('is the same wherever a stream begins, and whatever is left out of it [SB-170]', async () => {
    const office = await openHouse();
    const told = await sourced(office, office.events);
    const whole = new Map(told.map((event) => [keyOf(event), event.source]));
    await fc.assert(
      fc.asyncProperty(fc.subarray(office.events), async (some) => {
        const seen = await sourced(office, some);
        expect(seen.map(({ source }) => source)).toEqual(some.map((event) => whole.get(keyOf(event))));
        expect(seen.map(keyOf)).toEqual(some.map(keyOf));
      }),
      { numRuns: 40 },
    );
  });

  test('is told of live events, to those who come late, too [SB-170]', async () => {
    const office = openOffice();
    const { manager, runtime } = office;
    const early: Sourced[] = [];
    const late: Sourced[] = [];
    runtime.events$.pipe(withSource(manager, runtime)).subscribe((event) => early.push(event));
    const { agentId } = await manager.spawn({ task: 'hang on' });
    await settle();
    runtime.events$.pipe(withSource(manager, runtime)).subscribe((event) => late.push(event));
    await manager.cancel(agentId);
    await settle();
    expect(early[0]?.type).toBe('run.started');
    expect(late[0]?.type).not.toBe('run.started');
    for (const { source } of [...early, ...late]) expect(source).toEqual(subagent(agentId));
    expect(late.at(-1)?.type).toBe('run.interrupted');
  });

  test('is told at once where nothing has to be asked, and asked for once in each tree [SB-170]', async () => {
    const office = await openHouse();
    const { events, nina } = office;
    const { give, told, asked } = await listen(office);
    const ofNina = events.filter(({ rootId }) => rootId === nina.runId);
    for (const event of ofNina) give(event);
    expect(told).toHaveLength(ofNina.length);
    expect(asked).toEqual([]);
    // Its tree has ended: nothing of it is kept.
    for (const event of ofNina.slice(2, -1)) give(event);
    await settle();
    expect(told).toHaveLength(2 * ofNina.length - 3);
    expect(asked).toEqual([nina.runId]);
  });

  test('is kept of so many trees and no more [SB-170]', async () => {
    const office = await openHouse();
    const { events, nina } = office;
    const { give, told, asked } = await listen(office);
    const [started, next] = events.filter(({ runId }) => runId === nina.runId) as [EventOf<'run.started'>, RunEvent];
    const begin = (id: string) => give({ ...started, runId: id, rootId: id });
    give(started);
    for (let n = 1; n < 1_000; n += 1) begin(`root_${n}`);
    give(next);
    expect(asked).toEqual([]);
    begin('root_1000');
    give(next);
    await settle();
    expect(asked).toEqual([nina.runId]);
    expect(told).toHaveLength(1_003);
    for (const { source } of told) expect(source).toEqual(subagent(nina.agentId, 'nina'));
  });

  test('waits until what is stored of sub-agents was read, and is the agent where nothing can be found out [SB-170]', async () => {
    // given a program that goes on where another has ended
    const store = memoryStore();
    const first = openOffice({ store });
    const { agentId } = await first.manager.spawn({ task: 'count', name: 'nina' });
    await settle();
    const second = openOffice({ store });
    expect(sourceOf(second.manager, `subagent-${agentId}`)).toEqual(subagent(agentId));
    // when it is asked before it has read what is stored
    const told = await sourced(second, first.events);
    // then it knows
    for (const { source } of told) expect(source).toEqual(subagent(agentId, 'nina'));
    // and where there is no store to ask, nobody is told that a sub-agent speaks
    const nothing = { runs: { get: () => Promise.reject(new Error('The disk is full.')) } };
    const unknown = await lastValueFrom(
      from(first.events.slice(1)).pipe(withSource(second.manager, nothing), toArray()),
    );
    for (const { source } of unknown) expect(source).toEqual(agent);
    expect(await sourced(openOffice(), first.events.slice(1, 2))).toMatchObject([{ source: agent }]);
  });

  test('is read from the session where sub-agents could not be read, or were forgotten [SB-170]', async () => {
    const memory = { ...memoryStore(), search: () => Promise.reject(new Error('The disk is full.')) };
    const store = memoryStore();
    const first = openOffice({ store });
    const { agentId } = await first.manager.spawn({ task: 'count', name: 'nina' });
    await settle();
    const broken = openOffice({ store, memory });
    for (const { source } of await sourced(broken, first.events)) expect(source).toEqual(subagent(agentId));
    await first.manager.forget(agentId);
    for (const { source } of await sourced(first, first.events)) expect(source).toEqual(subagent(agentId));
  });

  test('is known of a session, and has the names that clients read [SB-170]', async () => {
    const { manager } = openOffice();
    const { sessionKey, agentId } = await manager.spawn({ task: 'hang on', name: 'nina' });
    expect(sourceOf(manager, sessionKey)).toEqual(subagent(agentId, 'nina'));
    for (const none of ['chat', 'subagent-', 'subagent-x y', null, undefined])
      expect(sourceOf(manager, none)).toEqual(agent);
    expect(toWireSource(sourceOf(manager, sessionKey))).toEqual({
      type: 'subagent',
      is_subagent: true,
      subagent_id: agentId,
      subagent_name: 'nina',
    } satisfies JSONValue);
    expect(toWireSource(sourceOf(manager, null))).toEqual({
      type: 'agent',
      is_subagent: false,
      subagent_id: null,
      subagent_name: null,
    });
  });
});
