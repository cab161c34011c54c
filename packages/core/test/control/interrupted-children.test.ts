import {
  type AgentOptions,
  defineAgent,
  defineTool,
  type RuntimeOptions,
  spawned,
  type ToolOptions,
} from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';

/** A lead whose call is its children: each does what its job says, `quick`, `hang`, or `deep` (with one below it that hangs). */
const openTeam = ({
  tool,
  agent,
  ...options
}: Partial<RuntimeOptions> & { tool?: Partial<ToolOptions>; agent?: Partial<AgentOptions> } = {}) => {
  const clock = new SimulatedClock();
  const leaf = defineAgent({ name: 'leaf', instructions: '', memoryScope: null });
  const stubborn = defineTool({
    name: 'stubborn',
    description: 'Makes its result for ever.',
    inputSchema: z.object({}),
    execute: () => spawned([{ agent: leaf, job: 'quick' }]),
    settle: () => new Promise(() => {}),
  });
  const member = defineAgent({ name: 'member', instructions: '', memoryScope: null, tools: [stubborn] });
  const team = defineTool({
    name: 'team',
    description: 'Asks the team.',
    inputSchema: z.object({ jobs: z.array(z.string()) }),
    execute: ({ jobs }) => spawned(jobs.map((job) => ({ agent: member, job }))),
    settle: (reports) => ({ data: reports.map(({ status, text }) => `${status} ${text}`) }),
    ...(tool as object),
  });
  const lead = defineAgent({ name: 'lead', instructions: '', memoryScope: null, tools: [team], ...agent });
  const provider = scriptedProvider(({ messages }, context) => {
    const last = String(messages.at(-1)?.content);
    if (context.agent === 'lead')
      return last.startsWith('go ')
        ? { calls: [{ name: 'team', arguments: { jobs: last.slice(3).split(',') } }] }
        : `Heard: ${last}`;
    if (last === 'stubborn') return { calls: [{ name: 'stubborn', arguments: {} }] };
    return last === 'quick' ? 'did it' : { hang: true };
  });
  return { ...openRuntime({ clock, provider, agents: [lead], graceMs: 1_000, ...options }), clock, lead, provider };
};

describe('an interrupted call that is its children', () => {
  test('tells what is finished, and that the others are not, in the very moment [HM-121, B-55]', async () => {
    const { runtime, lead, provider, clock } = openTeam();
    const run = runtime.start(lead, 'go quick,hang,quick,hang');
    await settle();
    await run.interrupt('enough');
    const report = await run.ended;
    expect(clock.now()).toBe(0);
    expect(report).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
    expect(report.calls[0]).toMatchObject({
      status: 'ok',
      data: ['completed did it', 'interrupted null', 'completed did it', 'interrupted null'],
    });
    // every one that was at work was told so at once, and none of them twice
    const members = provider.requests.filter(({ context }) => context.agent === 'member');
    expect(members.map(({ aborted }) => aborted)).toEqual([false, true, false, true]);
    expect(report.children.map(({ exitReason }) => exitReason)).toEqual([
      ...['answered', 'answered', 'parent_interrupted', 'parent_interrupted'],
    ]);
  });

  test('tells it also where its time is up', async () => {
    const { runtime, lead, clock } = openTeam({ agent: { budget: { deadlineMs: 500 } } });
    const run = runtime.start(lead, 'go quick,hang');
    await settle();
    clock.increment(500);
    const report = await run.ended;
    expect(report).toMatchObject({ status: 'failed', exitReason: 'timeout' });
    expect(report.calls[0]?.data).toEqual(['completed did it', 'interrupted null']);
  });

  test.each(['settle', 'a child'])(
    'is waited for no longer than the grace where %s takes its time [HM-121]',
    async (which) => {
      const hangs = which === 'settle';
      const { runtime, lead, clock } = openTeam(hangs ? { tool: { settle: () => new Promise(() => {}) } } : {});
      const run = runtime.start(lead, hangs ? 'go quick,hang' : 'go quick,stubborn');
      await settle();
      await run.interrupt('enough');
      await settle();
      expect(run.status).toBe('interrupting');
      clock.increment(999);
      await settle();
      expect(run.status).toBe('interrupting');
      clock.increment(1);
      expect(await run.ended).toMatchObject({
        status: 'interrupted',
        calls: [{ status: 'error', result: expect.stringContaining('Cancelled: enough') }],
      });
    },
  );

  test('makes its result again where it was being made, once', async () => {
    let asked = 0;
    const gate = Promise.withResolvers<void>();
    const { runtime, lead } = openTeam({
      tool: {
        settle: async (reports) => {
          asked += 1;
          if (asked === 1) await gate.promise;
          return { content: `${asked}. ${reports.length}` };
        },
      },
    });
    const run = runtime.start(lead, 'go quick');
    await settle();
    await run.interrupt('enough');
    expect((await run.ended).calls).toMatchObject([{ result: '2. 1' }]);
    gate.resolve();
  });

  test('is answered as cancelled where its result is an error', async () => {
    const { runtime, lead, events } = openTeam({ tool: { settle: () => ({ error: 'Nothing to show.' }) } });
    const run = runtime.start(lead, 'go hang');
    await settle();
    await run.interrupt('enough');
    await run.ended;
    expect(events.find(({ type }) => type === 'call.failed')).toMatchObject({
      error: 'Nothing to show.',
      cancelled: true,
    });
  });

  test('and whose children had not all been started tells of none that never was', async () => {
    const { runtime, lead } = openTeam({ agent: { budget: { concurrency: 1 } } });
    const run = runtime.start(lead, 'go hang,hang');
    await settle();
    await run.interrupt('enough');
    expect((await run.ended).calls[0]?.data).toEqual(['interrupted null', 'interrupted null']);
  });
});
