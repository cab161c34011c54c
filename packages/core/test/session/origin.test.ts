import { defineTool, type OwnRuns } from '@troupe/core';
import { isEnded, type RunTree } from '@troupe/protocol';
import { checkRunLaws, type Death } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { lives, play } from '../background/lives.ts';
import { deliveriesIn, openOffice, sending } from '../background/office.ts';
import { behalfOf, idsOf, workersIn } from './workers.ts';

/** What is below a run, as ids: background work is marked. */
const shapeOf = ({ runId, children, background }: RunTree): unknown => {
  const name = background ? `(${runId})` : runId;
  return children.length > 0 ? { [name]: children.map(shapeOf) } : name;
};

/** A session `k` with a run `r`, and one that sends runs to the session `x` on behalf of it. */
const open = (...given: Parameters<typeof openOffice>) => {
  const office = openOffice(...given);
  const { runtime, lead } = office;
  const make = workersIn(office);
  const asker = runtime.session(lead, { sessionKey: 'k' });
  const session = runtime.session(make({ says: 'Be kind.' }), { sessionKey: 'x' });
  const ask = (plan: string, runId: string, from = 'r') =>
    session.send(`do: ${plan}`, { runId, origin: behalfOf(from) });
  return { ...office, make, asker, session, ask };
};

describe('a run that is sent to another session on behalf of a call', () => {
  test('is of the conversation that it was sent to, and background work of the one that asked', async () => {
    const { runtime, asker, session, ask, pass, heard, events } = open();
    const run = await asker.send('do: work 1000', { runId: 'r' });
    await (await session.send('do: say one')).ended;
    const other = await ask('think 100', 'x1');
    await settle();
    expect(await runtime.runs.get('x1')).toMatchObject({ sessionKey: 'x', origin: behalfOf('r') });
    expect(idsOf(await runtime.runs.list({ sentTo: 'x' }))).toContain('x1');
    expect(idsOf(await runtime.runs.list({ unitsOf: 'k' }))).toEqual(['x1']);
    expect(await runtime.runs.list({ unitsOf: 'x' })).toEqual([]);
    expect(events.find(({ type, runId }) => type === 'run.started' && runId === 'x1')).toMatchObject({
      sessionKey: 'x',
      origin: { sessionKey: 'k' },
    });
    expect((await asker.units()).map(({ id }) => id)).toEqual(['x1']);
    expect([await session.units(), (await asker.runs()).map(({ id }) => id)]).toEqual([[], ['r']]);
    expect(shapeOf(await runtime.runs.tree('r'))).toEqual({ r: ['(x1)'] });
    expect(shapeOf(await runtime.runs.tree('x1'))).toBe('x1');
    await pass(100);
    expect((await other.ended).status).toBe('completed');
    expect(heard().slice(0, 3)).toEqual(['system: Be kind.', 'user: do: say one', 'assistant: one']);
    // whoever asked is told by whoever sent it: it leaves nothing by itself
    await pass(1_000);
    await run.ended;
    expect([(await asker.units()).length, events.filter(({ type }) => type === 'turn.started').length]).toEqual([0, 4]);
  });

  test('is counted in what that session has used, once, with all that was done on its behalf [F-16]', async () => {
    const { runtime, asker, session, ask, pass } = open();
    await (await asker.send('do: say hello', { runId: 'r' })).ended;
    const used = async () => (await asker.usage()).inputTokens;
    const one = await used();
    expect(one).toBeGreaterThan(0);
    await (await ask('send quick', 'x1')).ended;
    await pass(1);
    // two turns of the run, one of the helper that it sent off; the unit itself uses nothing
    expect(await used()).toBe(4 * one);
    // what its session does besides is not on anybody's behalf
    expect((await session.usage()).inputTokens).toBe(4 * one);
    await (await session.send('do: say hello')).ended;
    expect((await session.usage()).inputTokens).toBe(5 * one);
    expect(await used()).toBe(4 * one);
    // nor is anything counted twice that a session sends to itself
    const again = await asker.send('do: think 10', { runId: 'r2', origin: behalfOf('r') });
    expect([(await asker.runs()).map(({ id }) => id), await asker.units()]).toEqual([['r2'], []]);
    await pass(10);
    await again.ended;
    expect(await used()).toBe(5 * one);
    expect(shapeOf(await runtime.runs.tree('r'))).toMatchObject({ r: [{ '(x1)': [expect.anything()] }, '(r2)'] });
  });

  test('ends with that session, and so does what it has sent off itself', async () => {
    const { runtime, asker, session, ask, units, lead } = open();
    await asker.send('do: work 1000', { runId: 'r' });
    const run = await ask('send hang', 'x1');
    await run.ended;
    await session.send('do: send hang', { runId: 'x2' });
    const other = runtime.session(lead, { sessionKey: 'other' });
    await other.send('do: work 1000', { runId: 'o' });
    await session.send('do: work 1000', { runId: 'x3', origin: behalfOf('o', 'other') });
    await ask('work 1000', 'x4');
    await settle();
    const [, mine = '', its = ''] = await units();
    expect((await asker.units()).map(({ id }) => id)).toEqual(['x4', mine]);
    expect(await asker.interrupt('enough')).toEqual([1, 2, 3].map(() => ({ status: 'accepted' })));
    await settle();
    const statusOf = async (runId: string) => (await runtime.runs.get(runId))?.status;
    expect(await Promise.all([mine, 'x1', 'x4', 'r'].map(statusOf))).toEqual([
      'interrupted',
      'completed',
      'interrupted',
      'interrupted',
    ]);
    expect(await Promise.all([its, 'x3', 'o'].map(statusOf))).toEqual(['running', 'running', 'running']);
    for (const each of [session, other]) await each.interrupt();
  });

  test('interrupted with its own session is no matter of the one that asked', async () => {
    const { asker, session, ask } = open();
    const run = await asker.send('do: work 1000', { runId: 'r' });
    const other = await ask('work 1000', 'x1');
    await settle();
    await session.interrupt();
    expect((await other.ended).status).toBe('interrupted');
    expect(run.status).toBe('running');
    await run.interrupt();
  });

  test('is no unit: its tools may send work off, whose completions reach its own session', async () => {
    const { runtime, ask, asker, pass, units, deliveries } = open();
    await (await asker.send('do: say hello', { runId: 'r' })).ended;
    const run = await ask('send quick', 'x1');
    await run.ended;
    await pass(1);
    const [, unitId = ''] = await units();
    expect(await runtime.runs.get(unitId)).toMatchObject({ sessionKey: 'x', origin: { runId: 'x1', rootId: 'x1' } });
    expect(deliveries()).toEqual({ [unitId]: [`wake_${unitId}`] });
    expect(await runtime.runs.get(`wake_${unitId}`)).toMatchObject({ sessionKey: 'x', after: 'x1' });
    expect(shapeOf(await runtime.runs.tree('r'))).toEqual({
      r: [{ '(x1)': [{ [`(${unitId})`]: [`${unitId}/1-0/0`] }] }],
    });
  });

  test('is below the run whose call asked for it, for the tools of that run, and so is what it has sent off', async () => {
    const known = new Map<string, OwnRuns>();
    const watch = defineTool({
      name: 'check',
      description: 'Looks.',
      inputSchema: z.object({}),
      execute: (_input, context) => {
        known.set(context.runId, context.runs);
        return 'looked';
      },
    });
    const { runtime, session, make, lead, units } = open({ agent: { tools: [sending(), watch] } });
    const asker = runtime.session(lead, { sessionKey: 'k' });
    for (const runId of ['r', 's']) await (await asker.send('do: ask', { runId })).ended;
    await (await session.send('do: send hang', { runId: 'x1', origin: behalfOf('r') })).ended;
    await session.send('do: send hang; hang', { runId: 'x2', origin: behalfOf('s') });
    await settle();
    // one that was asked for by what was asked for
    const deeper = runtime.session(make({}), { sessionKey: 'y' });
    await deeper.send('do: think 1000', { runId: 'y1', origin: behalfOf('x1', 'x') });
    await settle();
    const [, u1 = ''] = await units();
    const own = known.get('r') as OwnRuns;
    expect(idsOf(await own.list()).sort()).toEqual([u1, `${u1}/1-0/0`, 'y1'].sort());
    for (const stranger of ['x2', 's', 'r', 'nobody'])
      await expect(own.steer(stranger, 'Hey.')).rejects.toMatchObject({ code: 'run.unknown' });
    expect(await own.interrupt('y1', 'enough')).toEqual({ status: 'accepted' });
    expect(await own.interrupt(u1)).toEqual({ status: 'accepted' });
    await settle();
    expect(await own.list()).toEqual([]);
    for (const each of [session, deeper, asker]) await each.interrupt();
  });
});

describe('killed after any of its commits and brought back, a program knows on whose behalf it sent what [F-13, F-16, L7]', () => {
  test.each([
    ['a run', 'work 150; say so'],
    ['one that sends work into the background', 'send a; work 100'],
  ])('%s', { timeout: 30_000 }, async (_what, plan) => {
    const run = async (death?: Death) => {
      const world = lives();
      const live = async (office: ReturnType<typeof world.live>) => {
        const make = workersIn(office);
        await office.runtime.recover();
        const asker = office.runtime.session(office.lead, { sessionKey: 'k' });
        const session = office.runtime.session(make({ says: 'Be kind.' }), { sessionKey: 'x' });
        if (!world.store.get('r')) await Promise.race([asker.send('do: work 100', { runId: 'r' }), settle()]);
        for (const runId of ['x1', 'x2'])
          if (!world.store.get(runId))
            void session.send(`do: ${plan}`, { runId, origin: behalfOf('r'), agent: make({ says: `Be ${runId}.` }) });
        await play(world, office.mortal);
        await settle();
        await play(world, office.mortal);
        return { ...office, asker };
      };
      const first = world.live(death);
      const lived = await live(first);
      const last = first.mortal.dead ? await live(world.live()) : lived;
      return { ...world, ...last, commits: first.mortal.commits };
    };
    const essence = async ({ runtime, asker, rows }: Awaited<ReturnType<typeof run>>) => ({
      tree: shapeOf(await runtime.runs.tree('r')),
      units: (await asker.units()).length,
      made: rows().flatMap(({ runId, made, after }) => (runId.startsWith('x') ? [{ runId, made, after }] : [])),
      ended: rows().every(({ status }) => isEnded(status)),
    });
    const calm = await run();
    const expected = await essence(calm);
    expect(expected).toMatchObject({ units: 0, ended: true, made: [{ after: 'x1' }, { after: null }] });
    for (let afterCommit = 1; afterCommit <= calm.commits; afterCommit++)
      for (const as of ['heard', 'unheard'] as const) {
        const found = await run({ afterCommit, as });
        const why = `after commit ${afterCommit} (${as})`;
        expect([why, await essence(found)]).toEqual([why, expected]);
        expect([why, checkRunLaws(found.stored())]).toEqual([why, []]);
        const told = Object.values(deliveriesIn(found.stored()));
        expect([why, told.every(({ length }) => length === 1)]).toEqual([why, true]);
      }
  });
});
