import { dispatched, memoryStore } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { openOffice } from './office.ts';

const results = (report: { calls: { result: string }[] }) => report.calls.map(({ result }) => result);

describe('a call that dispatches', () => {
  test('is answered at once with the handle of one unit, whatever it starts [HM-150, HM-151]', async () => {
    const { runtime, lead, pass, units } = openOffice();
    const report = await runtime.run(lead, 'do: send a,b,c', { runId: 'r', sessionKey: 'k' });
    const [unitId, ...others] = await units();
    expect(others).toEqual([]);
    expect(results(report)).toEqual([`Sent as ${unitId}.`]);
    expect(report.children).toEqual([]);
    await pass();
    // then the unit is a root of its own, of the session, and says where it comes from
    expect(await runtime.runs.get(unitId ?? '')).toMatchObject({
      rootId: unitId,
      depth: 0,
      agent: 'send',
      model: 'troupe/unit',
      status: 'running',
      sessionKey: 'k',
      origin: { runId: 'r', rootId: 'r', callId: report.calls[0]?.callId },
      made: { tool: 'send', data: { jobs: ['a', 'b', 'c'] } },
    });
    expect(await runtime.runs.list({ rootId: unitId ?? '' })).toHaveLength(4);
    await pass(1_000);
    expect((await runtime.attach(unitId ?? '')).status).toBe('completed');
  });

  test('is answered with an error where it dispatches from within its unit: nothing goes round for ever', async () => {
    const { runtime, lead, pass, heard, units } = openOffice({
      tool: { execute: () => dispatched({ data: null, answer: () => ({ content: 'Sent.' }) }) },
    });
    await runtime.run(lead, 'do: send a');
    await pass();
    expect(await units()).toHaveLength(1);
    expect(heard().at(-1)).toMatch(/BACKGROUND FAILED.*"send" is in the background already/s);
  });

  test('gives its unit what it had worked out, as JSON, and the tools of its run', async () => {
    const seen: unknown[] = [];
    const { runtime, lead, pass } = openOffice({
      tool: {
        execute: (_input, { view, tools }) => {
          if (!view.unit)
            return dispatched({
              data: { at: new Date(0), none: undefined } as never,
              answer: () => ({ content: 'Sent.' }),
            });
          seen.push(view.unit.data, [...tools.keys()]);
          return 'done';
        },
      },
    });
    await runtime.run(lead, 'do: send a');
    await pass();
    expect(seen).toEqual([{ at: '1970-01-01T00:00:00.000Z' }, ['send', 'work', 'check']]);
  });

  test('is asked about once: neither its person nor its hooks are heard again in the unit', async () => {
    const hooked: string[] = [];
    const note = (when: string) => ({ run: ({ runId }: { runId: string }) => void hooked.push(`${when} ${runId}`) });
    const { runtime, lead, pass, units } = openOffice({
      tool: { confirm: true, before: [note('before')], after: [note('after')] },
    });
    const run = runtime.start(lead, 'do: send a', { runId: 'r' });
    const [question] = (await run.report).questions;
    expect(await units()).toEqual([]);
    await run.answer(question?.id ?? '', true);
    await run.ended;
    await pass(1_000);
    expect(hooked).toEqual(['before r', 'after r']);
    expect(Object.keys(await units())).toHaveLength(1);
  });

  test('whose answer cannot be put in words fails, and its unit goes on', async () => {
    const { runtime, lead, pass, heard, units } = openOffice({
      sending: { capacity: 1 },
      tool: {
        execute: (_input, { view }) =>
          view.unit
            ? 'did it'
            : dispatched({
                data: null,
                answer: () => {
                  throw new Error('No words.');
                },
              }),
      },
    });
    expect(results(await runtime.run(lead, 'do: send a'))).toEqual(['{"error":"No words."}']);
    await pass();
    expect(await units()).toHaveLength(1);
    expect(heard().at(-1)).toContain('did it');
  });

  test('finds the unit that it has where it is executed again, and takes no foreign run for it', async () => {
    const { runtime, lead, units } = openOffice();
    const { runtime: other, lead: same, units: others } = openOffice();
    await runtime.run(lead, 'do: send a', { runId: 'r' });
    const [unitId = ''] = await units();
    // another runtime, where a run has the name that the unit would have
    await other.run(same, 'do: say hello', { runId: unitId });
    const report = await other.run(same, 'do: send a', { runId: 'r' });
    const [its = ''] = await others();
    expect(its).not.toBe(unitId);
    expect(results(report)).toEqual([`Sent as ${its}.`]);
  });

  test.each([
    ['spawning is paused', 'Nothing was started in the background: spawning is paused.'],
    ['spawning of its run is paused', 'Nothing was started in the background: spawning is paused.'],
    ['the budget makes no sense', 'Nothing was started in the background: '],
    ['the budget makes no sense, and nobody counts', 'Nothing was started in the background: '],
    ['the store refuses', 'Nothing was started in the background: '],
  ])('starts nothing where %s, and says so', async (why, sentence) => {
    const inner = memoryStore();
    const store = {
      ...inner,
      commit: (steps: Parameters<typeof inner.commit>[0]) => {
        if (why === 'the store refuses' && steps.some(({ row }) => row.origin)) throw new Error('The disk is full.');
        return inner.commit(steps);
      },
    };
    const budget = why.startsWith('the budget') ? { tokens: -1 } : {};
    const capacity = why.endsWith('nobody counts') ? {} : { capacity: 1 };
    const { runtime, lead, pass, units } = openOffice({ store, open: true, sending: { budget, ...capacity } });
    if (why === 'spawning is paused') runtime.pauseSpawning();
    const run = runtime.start(lead, 'do: send a; send b');
    if (why === 'spawning of its run is paused') await run.pauseSpawning();
    const report = await run.report;
    for (const result of results(report)) expect(result).toContain(sentence);
    await pass(1_000);
    expect(await units()).toEqual([]);
    // and no place was lost
    runtime.resumeSpawning();
  });
});

describe('the capacity of a tool [HM-153]', () => {
  const capacity = 2;
  test('lets so many units work at once, over all runs, and refuses one more: nothing runs in its place [B-54]', async () => {
    const { runtime, lead, pass, units, provider } = openOffice({ sending: { capacity } });
    // one less, and as many
    expect(results(await runtime.run(lead, 'do: send a'))[0]).toContain('Sent');
    expect(results(await runtime.run(lead, 'do: send b'))[0]).toContain('Sent');
    // one more
    expect(results(await runtime.run(lead, 'do: send c'))).toEqual(['{"error":"Capacity reached: 2 at work."}']);
    await pass();
    expect(await units()).toHaveLength(2);
    expect(provider.requests.filter(({ context }) => context.agent === 'helper')).toHaveLength(2);
    await pass(1_000);
    expect(results(await runtime.run(lead, 'do: send c'))[0]).toContain('Sent');
  });

  test('is kept by calls of one turn, and by runs that race', async () => {
    const { runtime, lead, units } = openOffice({ sending: { capacity } });
    const one = await runtime.run(lead, 'do: both a,b,c');
    expect(results(one).map((result) => result.startsWith('Sent'))).toEqual([true, true, false]);
    const { runtime: wide, lead: same, units: theirs } = openOffice({ sending: { capacity } });
    const reports = await Promise.all(['a', 'b', 'c', 'd'].map((job) => wide.run(same, `do: send ${job}`)));
    expect(reports.flatMap(results).filter((result) => result.startsWith('Sent'))).toHaveLength(2);
    expect([await units(), await theirs()].map(({ length }) => length)).toEqual([2, 2]);
  });

  test.each(['completes', 'fails', 'is interrupted', 'is out of time', 'cannot be stored'])(
    'has a place again when a unit %s',
    async (how) => {
      const inner = memoryStore();
      let refuses = false;
      const store = {
        ...inner,
        commit: (steps: Parameters<typeof inner.commit>[0]) => {
          if (refuses) throw new Error('The disk is full.');
          return inner.commit(steps);
        },
      };
      const { runtime, lead, pass, units } = openOffice({
        store,
        open: true,
        sending: { capacity: 1, budget: { deadlineMs: 5_000 } },
      });
      await runtime.run(lead, `do: send ${how === 'fails' ? 'fail' : how === 'is out of time' ? 'hang' : 'a'}`);
      await pass();
      expect(results(await runtime.run(lead, 'do: send b'))[0]).toMatch(how === 'fails' ? /Sent/ : /Capacity/);
      if (how === 'is interrupted') await (await runtime.attach((await units())[0] ?? '')).interrupt();
      refuses = how === 'cannot be stored';
      await pass(how === 'is out of time' ? 5_000 : 1_000);
      refuses = false;
      expect(results(await runtime.run(lead, 'do: send c'))[0]).toContain('Sent');
    },
  );

  test('counts units that were brought back, and those only', async () => {
    const clock = new SimulatedClock();
    const store = memoryStore({ now: () => clock.now() });
    const before = openOffice({ store, clock, life: true, sending: { capacity } });
    await before.runtime.run(before.lead, 'do: send quick');
    await before.pass(1);
    await before.runtime.run(before.lead, 'do: send a; send b');
    await before.pass(10);
    await before.runtime.close({ runs: 'suspend' });
    const after = openOffice({ store, clock, life: true, sending: { capacity } });
    await after.runtime.recover();
    expect(results(await after.runtime.run(after.lead, 'do: send c'))[0]).toContain('Capacity');
    await after.pass(1_000);
    expect(results(await after.runtime.run(after.lead, 'do: both c,d,e')).map((text) => text.slice(0, 4))).toEqual([
      'Sent',
      'Sent',
      '{"er',
    ]);
  });

  test('is not taken by a unit that has ended and whose end is stored only later', async () => {
    const inner = memoryStore();
    let slow = false;
    const commit: typeof inner.commit = (steps) =>
      slow ? settle(30).then(() => inner.commit(steps)) : inner.commit(steps);
    const store = { ...inner, commit };
    const { runtime, lead, pass, units, clock } = openOffice({
      store,
      open: true,
      leaseMs: 0,
      sending: { capacity: 1 },
    });
    await runtime.run(lead, 'do: send quick');
    await pass();
    const unit = await runtime.attach((await units())[0] ?? '');
    slow = true;
    clock.increment(1);
    while (unit.status !== 'completed') await settle(1);
    expect((inner.get(unit.id) as { status: string }).status).toBe('running');
    await runtime.recover();
    await settle(100);
    slow = false;
    expect(results(await runtime.run(lead, 'do: send b'))[0]).toContain('Sent');
  });
});

describe('a unit may spend', () => {
  test('what the runtime and its dispatch say, never what the run that dispatched it has left [HM-150]', async () => {
    const views: unknown[] = [];
    const { runtime, lead, pass } = openOffice({
      budget: { costUsd: 3, turns: 4, deadlineMs: 9_000 },
      agent: { budget: { tokens: 40, deadlineMs: 1_000, toolCalls: 1, depth: 2, toolsPerChild: 1, descendants: 0 } },
      tool: {
        execute: (_input, { view: { unit, budget, depth, maySpawn } }) => {
          if (!unit)
            return dispatched({
              data: null,
              answer: () => ({ content: 'Sent.' }),
              budget: { tokens: 500, children: 1 },
            });
          views.push(budget.granted, budget.left.deadlineMs, depth, maySpawn);
          return 'seen';
        },
      },
    });
    await runtime.run(lead, 'do: send a');
    await pass();
    expect(views).toEqual([{ tokens: 500, costUsd: 3, children: 1, depth: 2, toolsPerChild: 1 }, 9_000, 0, true]);
  });

  test('no deeper than the run that dispatched it', async () => {
    const { runtime, lead, pass, heard } = openOffice({ agent: { budget: { depth: 0 } } });
    await runtime.run(lead, 'do: send a');
    await pass();
    expect(heard().at(-1)).toMatch(/BACKGROUND COMPLETED.*it would run at depth 1, and budget.depth allows 0/s);
  });

  test('and what it uses is its own: it shows in the session and below its origin, and not in the run that dispatched it [F-16]', async () => {
    const { runtime, lead, pass, units } = openOffice();
    const session = runtime.session(lead, { sessionKey: 'k' });
    const run = await session.send('do: send a,b', { runId: 'r' });
    await pass(1_000);
    const [unitId = ''] = await units();
    const tokens = ({ inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }) => [
      inputTokens,
      outputTokens,
    ];
    expect(tokens((await run.ended).usage.total)).toEqual([20, 10]);
    const unit = await runtime.runs.get(unitId);
    expect(unit?.usage.byModel['test-model']).toMatchObject({ inputTokens: 20, outputTokens: 10 });
    expect(tokens(unit?.usage.own ?? ({} as never))).toEqual([0, 0]);
    // two turns of the lead, two of its helpers, one of whoever was woken
    expect(tokens(await session.usage())).toEqual([50, 25]);
    const tree = await runtime.runs.tree('r');
    expect(tree.children).toMatchObject([
      {
        runId: unitId,
        background: true,
        usage: { total: { inputTokens: 20 } },
        children: [{ agent: 'helper' }, { agent: 'helper' }],
      },
    ]);
    expect(tokens(tree.usage.total)).toEqual([20, 10]);
  });

  test('is told of a conversation that no session began, too [F-16]', async () => {
    const { runtime, lead, pass } = openOffice();
    await runtime.run(lead, 'do: send a', { runId: 'r' });
    await pass(1_000);
    expect(await runtime.session(lead, { sessionKey: 'r' }).usage()).toMatchObject({ inputTokens: 40 });
    // what is no conversation has used nothing
    const [helperId = ''] = (await runtime.runs.list()).flatMap(({ runId, agent }) =>
      agent === 'helper' ? runId : [],
    );
    expect(await runtime.session(lead, { sessionKey: helperId }).usage()).toMatchObject({ inputTokens: 0 });
  });
});

describe('a unit is ended', () => {
  test('by nobody who ends the run that dispatched it [HM-152]', async () => {
    const { runtime, lead, pass, units } = openOffice();
    const run = runtime.start(lead, 'do: send hang; work 9000');
    await pass();
    await run.interrupt();
    expect((await run.ended).status).toBe('interrupted');
    await pass(1_000);
    const [unitId = ''] = await units();
    expect((await runtime.runs.get(unitId))?.status).toBe('running');
    await (await runtime.attach(unitId)).interrupt();
    await pass();
    expect(await runtime.runs.get(unitId)).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
  });

  test('with its session, and nothing begins again [HM-157]', async () => {
    const { runtime, lead, pass, units, deliveries } = openOffice();
    const session = runtime.session(lead, { sessionKey: 'k' });
    await session.send('do: send hang; send quick; work 9000');
    await pass();
    await pass(1);
    await pass(1);
    expect((await session.units()).length).toBe(1);
    const receipts = await session.interrupt('enough');
    expect(receipts.map(({ status }) => status)).toEqual(['accepted', 'accepted']);
    await pass(10_000);
    expect((await runtime.runs.list({ sentTo: 'k' })).length).toBe(1);
    expect(await session.units()).toEqual([]);
    const next = await session.send('do: say hello');
    await next.ended;
    const [hanging = '', quick = ''] = await units();
    expect(deliveries()).toEqual({ [quick]: [next.id], [hanging]: [next.id] });
  });

  test('with its runtime', async () => {
    const { runtime, lead, pass, types, units } = openOffice();
    await runtime.run(lead, 'do: send hang');
    await pass();
    const [unitId = ''] = await units();
    await runtime.close();
    expect(types(unitId).at(-1)).toBe('run.interrupted');
  });

  test.each(['before', 'while'])(
    'where its call is cancelled %s it is stored for the first time: what is told as cancelled does not go on',
    async (when) => {
      const inner = memoryStore();
      const gate = Promise.withResolvers<void>();
      let reached = false;
      const hold = async () => {
        reached = true;
        await gate.promise;
      };
      const store = {
        ...inner,
        get: (runId: string) =>
          when === 'before' && runId.startsWith('send_') && !reached
            ? hold().then(() => inner.get(runId))
            : inner.get(runId),
        commit: (steps: Parameters<typeof inner.commit>[0]) =>
          when === 'while' && steps[0]?.row.origin && !reached
            ? hold().then(() => inner.commit(steps))
            : inner.commit(steps),
      };
      const { runtime, lead, pass, units } = openOffice({ store, sending: { capacity: 1 } });
      const run = runtime.start(lead, 'do: send a');
      await pass();
      expect(reached).toBe(true);
      await run.interrupt('enough');
      gate.resolve();
      await pass(2_000);
      expect(results(await run.ended)[0]).toContain('Cancelled: enough');
      expect(await Promise.all((await units()).map(async (id) => (await runtime.runs.get(id))?.status))).toEqual(
        when === 'before' ? [] : ['interrupted'],
      );
      expect(results(await runtime.run(lead, 'do: send b'))[0]).toContain('Sent');
    },
  );

  test('and begins nowhere once its runtime is closed', async () => {
    const inner = memoryStore();
    const gate = Promise.withResolvers<void>();
    const store = {
      ...inner,
      get: (runId: string) =>
        runId.startsWith('send_') ? gate.promise.then(() => inner.get(runId)) : inner.get(runId),
    };
    const { runtime, lead, pass } = openOffice({ store, open: true });
    runtime.start(lead, 'do: send a');
    await pass();
    await runtime.close({ runs: 'suspend' });
    gate.resolve();
    await settle();
    expect(inner.list({ unitsOf: 'r' })).toEqual([]);
    expect((inner.list() as { origin?: unknown }[]).filter(({ origin }) => origin)).toEqual([]);
  });
});

test('a question inside a unit is answered there, and nothing that comes later undoes it [F-03]', async () => {
  const { runtime, lead, pass, heard, units } = openOffice();
  const run = await runtime.run(lead, 'do: send ask,a');
  await pass();
  const [unitId = ''] = await units();
  const unit = await runtime.attach(unitId);
  const [question] = unit.questions;
  expect(question).toMatchObject({ rootId: unitId, tool: 'check' });
  expect(await runtime.answer(question?.id ?? '', true)).toEqual({ status: 'accepted' });
  await pass(1_000);
  expect(await runtime.answer(question?.id ?? '', 'no')).toMatchObject({ status: 'rejected' });
  expect((await unit.ended).status).toBe('completed');
  expect(heard().at(-1)).toMatch(/did checked.*did a/s);
  expect(run.status).toBe('completed');
});
