import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '@troupe/core';
import {
  callKeyOf,
  isEnded,
  isFaultError,
  isTerminal,
  questionIdOf,
  type Report,
  type StoredEvent,
} from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws, type Life, mortalStore } from '@troupe/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import type { AnyStore } from '../recovery/program.ts';
import { programOf, type Scene, scenes } from '../recovery/scenes.ts';

/** A program that is not killed, and what it did. */
const open = (scene: Scene, base: AnyStore) => {
  const { store, settled } = mortalStore(base);
  const clock = new SimulatedClock();
  const effects: string[] = [];
  const happens = async (effect: string): Promise<void> => {
    effects.push(effect);
  };
  const life: Life<AnyStore> = {
    store,
    clock,
    happens,
    model: (provider) => ({
      ...provider,
      async *takeTurn(request, options) {
        await happens(`model ${options.context.key}`);
        yield* provider.takeTurn(request, options);
      },
    }),
  };
  const runtime = programOf(life, scene);
  const eventsOf = async (rootId: string): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for await (const event of store.events({ rootId })) events.push(event);
    return events;
  };
  /** Lets a tree go on to its end, answering what it asks. */
  const play = async (rootId: string): Promise<Report> => {
    for (let round = 0; round < 400; round++) {
      for (let i = 0; i < 3; i++) {
        await settle();
        await settled();
      }
      const run = await runtime.attach(rootId);
      const runs = Map.groupBy(await eventsOf(rootId), ({ runId }) => runId);
      const over = [...runs.values()].every((events) => events.some(isTerminal));
      const [question] = run.questions;
      if (question) await runtime.answer(question.id, scene.person?.(question) ?? true);
      else if (over && isEnded(run.status)) return run.report;
      else clock.increment(50);
    }
    throw new Error(`"${rootId}" does not end.`);
  };
  return { runtime, eventsOf, play, effects };
};

/** What must be the same; ids as they are in the first tree. */
const essenceOf = (report: Report, scene: Scene): string => {
  const { usage: _, createdAt: _c, endedAt: _e, calls, ...rest } = report;
  // Which child is done first may be another one: the one that was asked again takes longer.
  const children = report.children.toSorted((a, b) => a.runId.localeCompare(b.runId));
  const untimed = calls.map(({ startedAt: _s, endedAt: _e, ...call }) => call);
  const kept = scene.essence?.(report) ?? { ...rest, children, fault: rest.fault?.code, calls: untimed };
  return JSON.stringify(kept, null, 1).replaceAll(report.runId, 'root');
};

/** Calls that had begun, as their effects are noted. Those that wait for an answer have not. */
const begunIn = (events: readonly StoredEvent[]): string[] => {
  const turns = new Map<string, { turn: number; calls: number }>();
  const asked = new Set(events.flatMap((event) => (event.type === 'question.asked' ? [event.question.id] : [])));
  for (const event of events) if (event.type === 'question.answered') asked.delete(event.questionId);
  return events.flatMap((event) => {
    if (event.type === 'turn.started') turns.set(event.runId, { turn: event.turn, calls: 0 });
    if (event.type !== 'call.started') return [];
    const { turn, calls } = turns.get(event.runId) ?? { turn: 0, calls: 0 };
    turns.set(event.runId, { turn, calls: calls + 1 });
    const key = callKeyOf(event.runId, turn, calls);
    return asked.has(questionIdOf(key)) ? [] : [`${event.tool} ${key}`];
  });
};

const toolsIn = (effects: readonly string[]) => effects.filter((one) => !one.startsWith('model '));
const modelsIn = (effects: readonly string[]) => effects.filter((one) => one.startsWith('model '));

/** Forks a scene at each of its events, and plays every fork to its end. */
const forkEverywhere = async (scene: Scene, base: AnyStore): Promise<void> => {
  const { runtime, eventsOf, play, effects } = open(scene, base);
  runtime.start();
  const expected = await play('root');
  const events = await eventsOf('root');
  const first = [...effects];
  let forks = 0;
  for (const { id, type, runId } of events) {
    const to = `fork${forks}`;
    effects.length = 0;
    const forked = await runtime.fork('root', { at: id, runId: to }).catch((error: unknown) => error);
    if (isFaultError(forked)) {
      expect(['fork.ended', 'fork.invalid'], `${id} ${type}: ${forked.message}`).toContain(forked.code);
      continue;
    }
    forks += 1;
    const report = await play(to);
    expect(essenceOf(report, scene), `at ${id} ${type}`).toBe(essenceOf(expected, scene));
    const told = await eventsOf(to);
    expect(checkRunLaws(told), `at ${id} ${type}`).toEqual([]);
    const begun = told.find((event) => event.type === 'run.forked')?.rootSeq ?? 0;
    // then each tool that had begun before has ended as it did, and every other one does its work once
    const did = new Set(toolsIn(effects).map((one) => one.replace(to, 'root')));
    for (const one of begunIn(events.slice(0, begun - 1))) expect(did).not.toContain(one);
    expect(did.size).toBe(toolsIn(effects).length);
    for (const one of did) expect(first).toContain(one);
    // and no turn that was answered is paid for again, unless it is the one to be taken again
    const again = modelsIn(effects).map((one) => one.replace(to, 'root'));
    const turnsIn = (some: readonly StoredEvent[], what: 'turn.started' | 'turn.completed') =>
      some.flatMap((event) => (event.type === what ? [`model ${event.runId}/${event.turn}`] : []));
    const answered = new Set(turnsIn(events, 'turn.completed'));
    const asked = new Set(turnsIn(events.slice(0, begun - 1), 'turn.started').filter((turn) => answered.has(turn)));
    const mine = type === 'turn.started' || type === 'turn.completed' ? 1 : 0;
    expect(again.filter((one) => asked.has(one)).length, `at ${id} ${type} of ${runId}`).toBeLessThanOrEqual(mine);
  }
  expect(forks).toBeGreaterThan(0);
  for (const row of await runtime.runs.list({ limit: 10_000 })) await runtime.replay(row.runId);
  await runtime.close({ runs: 'interrupt', graceMs: 0 });
};

describe('forked at any of its events, a tree comes to the same end, and does nothing a second time', () => {
  test.each(Object.entries(scenes))('%s', { timeout: 60_000 }, async (_name, scene) => {
    await forkEverywhere(scene, memoryStore());
  });
});

describe('and on a file that a thread of its own writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-forks-'));
  const store = sqliteStore({ path: join(folder, 'runs.db'), durability: 'normal' });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const some = ['with children', 'that must be approved', 'whose turns run out', 'whose conversation is made shorter'];
  test.each(some)('%s', { timeout: 60_000 }, async (name) => {
    await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
    await forkEverywhere(scenes[name] as Scene, store);
  });
});
