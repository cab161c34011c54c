import { memoryStore } from '@troupe/core';
import type { SubagentRecord, SubagentResult } from '@troupe/delegation';
import { isEnded, isFaultError, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, mortalStore } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { goingFar, withFar } from './far.ts';
import { heardIn } from './heard.ts';
import { lead, openOffice, settle } from './office.ts';

const limits = { maxDepth: 2, maxChildrenPerAgent: 2, maxTotal: 4, maxPersistent: 2 };

const nth = fc.nat({ max: 7 });
const task = fc.constantFrom('count', 'slow sum', 'hang', 'fail', 'far');
const scope = fc.constantFrom(undefined, 'chat', 'other');
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('spawn' as const),
      task,
      scope,
      under: fc.option(nth),
      nested: fc.boolean(),
      cleanup: fc.constantFrom('keep' as const, 'delete' as const),
    }),
  },
  fc.record({ do: fc.constant('spawnNamed' as const), task, scope, name: fc.constantFrom('ann', 'bob', 'cid') }),
  fc.record({
    do: fc.constant('resume' as const),
    task,
    scope,
    at: nth,
    under: fc.option(nth, { nil: undefined }),
    top: fc.boolean(),
  }),
  fc.record({ do: fc.constant('steer' as const), task, scope, at: nth }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), scope, at: nth, cascade: fc.boolean() }) },
  fc.record({ do: fc.constant('cancelAll' as const), scope }),
  fc.record({ do: fc.constant('collect' as const), scope, timeoutMs: fc.constantFrom(0, 500) }),
  fc.record({ do: fc.constant('forget' as const), at: nth }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 500, 2_500) }) },
  fc.record({ do: fc.constant('restart' as const), how: fc.constantFrom('killed', 'closed') }),
);

describe('whatever is asked of a manager, in whatever order', () => {
  test('[SB-022, SB-023, SB-024, SB-027, B-11, B-33, B-39] no limit is exceeded, no tree has a cycle, and each run has one result, delivered once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
        const clock = new SimulatedClock();
        const store = memoryStore({ now: () => clock.now() });
        const open = () => {
          const mortal = mortalStore({ ...store, lasting: true });
          return {
            mortal,
            ...openOffice({
              store: mortal.store,
              clock,
              leaseMs: 0,
              maxWakes: Number.POSITIVE_INFINITY,
              script: goingFar,
              manager: withFar(clock, limits),
            }),
          };
        };
        let office = open();
        const lives = [office];
        const ids: string[] = [];
        const collected: SubagentResult[] = [];
        const told = new Map<string, number>();
        const owners = new Map<string, { agentId: string; asker: string }>();
        const forgotten = new Set<string>();
        const asked: Promise<unknown>[] = [];
        const restarts = commands.filter((each) => each.do === 'restart').length;
        const listen = () =>
          office.manager.events$.subscribe(({ type, runId, agentId, requester }) => {
            if (type === 'started') owners.set(runId, { agentId, asker: requester.sessionKey ?? '' });
            if (type === 'completed' || type === 'failed' || type === 'cancelled')
              told.set(runId, (told.get(runId) ?? 0) + 1);
          });
        listen();
        await (await office.runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
        await (await office.runtime.session(lead, { sessionKey: 'other' }).send('hello')).report;

        /** Refusals are answers, too. */
        const ask = (question: Promise<unknown>): void => {
          asked.push(
            question.catch((error: unknown) => {
              if (!isFaultError(error)) throw error;
            }),
          );
        };
        const at = (index: number): string => ids[index % Math.max(ids.length, 1)] ?? 'nobody';
        for (const each of commands) {
          const { manager, runtime } = office;
          switch (each.do) {
            case 'spawn':
              ask(
                manager
                  .spawn({
                    ...each,
                    parentId: each.under === null ? null : at(each.under),
                    config: { allowSubagents: each.nested, cleanup: each.cleanup },
                  })
                  .then(({ agentId }) => ids.push(agentId)),
              );
              break;
            case 'spawnNamed':
              ask(manager.spawn(each).then(({ agentId }) => ids.push(agentId)));
              break;
            case 'resume':
              ask(
                manager.resume({
                  agentId: at(each.at),
                  task: each.task,
                  scope: each.scope,
                  ...(each.top ? { parentId: null } : each.under !== undefined && { parentId: at(each.under) }),
                }),
              );
              break;
            case 'steer':
              ask(manager.steer({ agentId: at(each.at), message: each.task, scope: each.scope }));
              break;
            case 'cancel':
              ask(manager.cancel(at(each.at), each));
              break;
            case 'cancelAll':
              ask(manager.cancelAll(each));
              break;
            case 'collect':
              ask(
                manager
                  .collect({ sessionKey: each.scope, timeoutMs: each.timeoutMs })
                  .then((found) => collected.push(...found)),
              );
              break;
            case 'forget': {
              const agentId = at(each.at);
              ask(manager.forget(agentId).then((isForgotten) => isForgotten && forgotten.add(agentId)));
              break;
            }
            case 'pass':
              await settle(5);
              clock.increment(each.ms);
              await settle(5);
              break;
            case 'restart':
              await settle(10);
              if (each.how === 'closed') await runtime.close({ runs: 'suspend' });
              else office.mortal.die();
              asked.length = 0;
              office = open();
              lives.push(office);
              listen();
              await office.manager.ready;
              await office.runtime.recover();
          }
          const { active } = await office.manager.status();
          // whoever is woken is not refused
          const spawned = active.filter(({ runId }) => !runId?.startsWith('wake_'));
          expect(spawned.length).toBeLessThanOrEqual(limits.maxTotal);
          expect(active.every(({ depth }) => depth <= limits.maxDepth)).toBe(true);
          expect((await office.manager.listPersistent()).length).toBeLessThanOrEqual(limits.maxPersistent);
        }
        // when it all comes to its end
        const end = async (): Promise<void> => {
          for (let i = 0; i < 8; i++) {
            await settle(10);
            clock.increment(1_000);
          }
        };
        await end();
        await office.manager.cancelAll();
        await end();
        await Promise.all(asked);
        expect((await office.manager.status()).active).toEqual([]);
        collected.push(...(await office.manager.collect()));
        await settle(10);

        const events = [...(store.events({}) as Iterable<RunEvent>)];
        expect(checkRunLaws(events)).toEqual([]);
        const all = store.list({ limit: 10_000 }) as RunRow[];
        expect(all.filter(({ status }) => !isEnded(status))).toEqual([]);
        const rows = all.filter(({ sessionKey, after }) => after !== undefined && sessionKey?.startsWith('subagent-'));
        // whoever heard of it may be deleted
        const heard = heardIn(lives.flatMap((life) => life.events));
        const waiting = new Set((store.sessionInbox() as { id: string }[]).map(({ id }) => id));
        for (const { runId } of rows) {
          const pushed = (heard[`result.${runId}`] ?? 0) + Number(waiting.has(`result.${runId}`));
          const pulled = collected.filter((result) => result.runId === runId).length;
          expect(pushed + pulled).toBeLessThanOrEqual(1);
          expect(told.get(runId) ?? 0).toBeLessThanOrEqual(1);
        }
        const records = (await store.search('subagents:subagents', '', { limit: 1_000 })).map(
          ({ value }) => value as SubagentRecord,
        );
        // and nothing is lost, but what was forgotten with its sub-agent
        const sessions = new Set(records.map(({ sessionKey }) => sessionKey));
        /** What one that is deleted was left and need not be woken for goes with it. */
        const isGone = (asker = '') => asker.startsWith('subagent-') && !sessions.has(asker);
        for (const [runId, { agentId, asker }] of owners) {
          if (restarts > 0 || !told.has(runId) || forgotten.has(agentId)) continue;
          if (isGone(asker)) continue;
          const pushed = (heard[`result.${runId}`] ?? 0) + Number(waiting.has(`result.${runId}`));
          expect(pushed + collected.filter((result) => result.runId === runId).length).toBe(1);
        }
        for (const { sessionKey, delivered } of records)
          for (const { runId } of rows.filter((row) => row.sessionKey === sessionKey)) {
            const pushed = (heard[`result.${runId}`] ?? 0) + Number(waiting.has(`result.${runId}`));
            const how = delivered.find((delivery) => delivery.runId === runId)?.how;
            expect(['pushed', 'pulled', 'steered']).toContain(how);
            if (how !== 'steered' && !isGone(owners.get(runId)?.asker)) expect(pushed).toBe(how === 'pushed' ? 1 : 0);
            if (how !== 'steered' && restarts === 0) expect(told.get(runId)).toBe(1);
          }
        await office.runtime.close({ runs: 'interrupt', graceMs: 0 });
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  }, 120_000);
});
