import {
  type AnyAgent,
  createRuntime,
  defineAgent,
  defineTool,
  memoryStore,
  type RuntimeOptions,
  spawned,
  type Tool,
} from '@troupe/core';
import { type Checkpoint, type Commit, isLive, type RunEvent } from '@troupe/protocol';
import { checkRunLaws, mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { numbered, silent } from './program.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A machine that programs run on, one after another or side by side: a store and a clock. */
const machine = () => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const boot = (script: Script, options: Partial<RuntimeOptions> = {}) => {
    const mortal = mortalStore(base);
    const provider = scriptedProvider(script);
    const runtime = createRuntime({
      provider,
      model: 'm',
      clock,
      store: mortal.store,
      leaseMs: 0,
      logger: silent,
      ...options,
    });
    // A process that was killed closes nothing.
    closing.push(async () => (mortal.dead ? undefined : runtime.close({ graceMs: 0 })));
    return { runtime, provider, kill: () => mortal.die() };
  };
  const eventsOf = (rootId: string): RunEvent[] => [...(base.events({ rootId }) as Iterable<RunEvent>)];
  return { clock, base, boot, eventsOf };
};

const risky: Tool = defineTool({
  name: 'risky',
  description: 'risky',
  inputSchema: numbered,
  confirm: true,
  execute: ({ n }) => `did ${n}`,
});
const call = (name: string) => ({ calls: [{ id: 'c', name, arguments: { n: 1 } }] });
const delegating = (agent: () => AnyAgent, name: string, options: Partial<Tool> = {}): Tool =>
  defineTool({
    name,
    description: name,
    inputSchema: numbered,
    execute: () => spawned([{ agent: agent(), job: 'help', ...('rebuild' in options && { data: { of: name } }) }]),
    settle: ([report]) => ({
      content: `${report?.status}: ${report?.text}`,
      ...(report?.fault && { error: report.fault.code }),
    }),
    ...(options as object),
  });

/** Three levels: the lowest asks a person. */
const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [risky] });
const middle = defineAgent({ name: 'middle', instructions: '', tools: [delegating(() => leaf, 'down')] });
const top = defineAgent({ name: 'top', instructions: '', tools: [delegating(() => middle, 'down')] });
const agents = [top, middle, leaf];
const script: Script = ({ messages }, { agent }) => {
  if (messages.some(({ role }) => role === 'assistant')) return `${agent} done`;
  return call(agent === 'leaf' ? 'risky' : 'down');
};
const leafId = 'root/1-0/0/1-0/0';

/** A program that has asked its question and was killed. */
const killed = async () => {
  const world = machine();
  const first = world.boot(script, { agents });
  await first.runtime.start(top, 'go', { runId: 'root' }).report;
  first.kill();
  return world;
};

describe('[L7] after a restart, a question at the bottom of a tree', () => {
  test('is answered by its id, and the whole tree goes on', async () => {
    const { boot, eventsOf } = await killed();
    const { runtime } = boot(script, { agents });
    expect(await runtime.answer(`${leafId}/1-0?`, 'yes')).toEqual({ status: 'accepted' });
    expect(await (await runtime.attach('root')).ended).toMatchObject({ status: 'completed', text: 'top done' });
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
    // and not a second time
    expect(await runtime.answer(`${leafId}/1-0?`, 'no')).toEqual({ status: 'rejected', reason: 'already answered' });
  });

  test.each(['root', 'root/1-0/0', leafId])('is answered by resuming %s', async (runId) => {
    const { boot } = await killed();
    const { runtime } = boot(script, { agents });
    if (runId === leafId) expect(await runtime.resume(runId, true)).toMatchObject({ runId, status: 'completed' });
    else
      expect(await runtime.resume(runId, true)).toMatchObject({ runId, status: 'completed', exitReason: 'answered' });
    expect(await (await runtime.attach('root')).ended).toMatchObject({ text: 'top done' });
  });

  test.each(['root', 'root/1-0/0', leafId])('is seen and answered through a handle of %s', async (runId) => {
    const { boot } = await killed();
    const { runtime, provider } = boot(script, { agents });
    const run = await runtime.attach(runId);
    expect(run.status).toBe('paused');
    expect(await run.report).toMatchObject({
      status: 'paused',
      exitReason: 'question',
      questions: [{ tool: 'risky' }],
    });
    expect(run.questions).toMatchObject([{ id: `${leafId}/1-0?`, runId: leafId }]);
    // then nothing was brought back by looking
    expect(provider.requests).toEqual([]);
    expect(await run.answer(`${leafId}/1-0?`, true)).toEqual({ status: 'accepted' });
    expect(await run.ended).toMatchObject({ runId, status: 'completed' });
    expect(run.questions).toEqual([]);
  });

  test('waits on when the tree is recovered, also twice and at once', async () => {
    const { boot, eventsOf } = await killed();
    const { runtime } = boot(script, { agents });
    const [one, two] = await Promise.all([runtime.recover(), runtime.recover()]);
    expect([...one.recovered, ...two.recovered].every(({ id }) => id === 'root')).toBe(true);
    expect(await runtime.recover()).toEqual({ recovered: [], skipped: [] });
    expect(eventsOf('root').filter(({ type }) => type === 'run.recovered')).toHaveLength(3);
    const [run] = [...one.recovered, ...two.recovered];
    expect(await run?.report).toMatchObject({ status: 'paused', questions: [{ id: `${leafId}/1-0?` }] });
    await run?.interrupt('enough');
    expect(await run?.ended).toMatchObject({ status: 'interrupted' });
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
  });

  test('is answered where its agents are not known: refused, and it stays open', async () => {
    const { boot, eventsOf } = await killed();
    const stranger = boot(script);
    expect(await stranger.runtime.answer(`${leafId}/1-0?`, true)).toEqual({
      status: 'rejected',
      reason: expect.stringContaining('createRuntime({ agents })'),
    });
    await expect(stranger.runtime.resume('root', true)).rejects.toMatchObject({ code: 'run.claimed' });
    expect(eventsOf('root').at(-1)).toMatchObject({ type: 'run.paused' });
    const { runtime } = boot(script, { agents });
    expect(await runtime.resume('root', true)).toMatchObject({ status: 'completed' });
  });
});

describe('[L7] a run that is started again under its id', () => {
  test('goes on where it was', async () => {
    const { boot } = await killed();
    const { runtime } = boot(script, { agents });
    const run = runtime.start(top, 'go', { runId: 'root' });
    await settle();
    expect(run.status).toBe('paused');
    await run.answer(`${leafId}/1-0?`, true);
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });

  test('is refused with another job, and with another agent of that name', async () => {
    const { boot } = await killed();
    const { runtime } = boot(script, { agents });
    expect(() => runtime.start(top, 'stay', { runId: 'root' })).toThrow(
      expect.objectContaining({ code: 'run.exists' }),
    );
  });
});

describe('[L7] a tree that another process executes', () => {
  test('is skipped while its lease runs, and taken over when it has run out; the first stops without a word', async () => {
    const { boot, base, clock, eventsOf } = machine();
    // given a process that went to sleep: it renews its lease no more
    let asleep = false;
    const sleepy = {
      ...base,
      lasting: true,
      renew: (...to: Parameters<typeof base.renew>) => (asleep ? undefined : base.renew(...to)),
    };
    const first = boot(() => ({ hang: true }), { agents, leaseMs: 1_000, store: sleepy });
    const run = first.runtime.start(leaf, 'go', { runId: 'root' });
    await settle();
    clock.increment(5_000);
    asleep = true;
    const second = boot(() => 'Done.', { agents });
    expect(await second.runtime.recover()).toEqual({
      recovered: [],
      skipped: [{ runId: 'root', reason: expect.stringContaining('executed by another process') }],
    });
    expect(await second.runtime.answer('root/1-0?', true)).toMatchObject({ status: 'rejected' });
    // when the lease has run out
    clock.increment(1_000);
    const { recovered } = await second.runtime.recover();
    // then the run goes on there, once
    expect(await recovered[0]?.ended).toMatchObject({ status: 'completed' });
    const ended = run.ended.catch((error: unknown) => error);
    await run.steer('hello');
    expect(await ended).toMatchObject({ code: 'store.fenced' });
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
  });
});

describe('[L7] an agent that is not what it was', () => {
  const before = defineAgent({ name: 'clerk', instructions: 'Be kind.' });
  const after = defineAgent({ name: 'clerk', instructions: 'Be quick.' });
  const crash = async () => {
    const world = machine();
    const first = world.boot(() => ({ hang: true }), { agents: [before] });
    first.runtime.start(before, 'go', { runId: 'root' });
    await settle();
    first.kill();
    return world;
  };

  test('fails its run, and says what to do', async () => {
    const { boot, eventsOf } = await crash();
    const { recovered } = await boot(() => 'Done.', { agents: [after] }).runtime.recover();
    expect(await recovered[0]?.ended).toMatchObject({
      status: 'failed',
      exitReason: 'agent_changed',
      fault: { code: 'agent.changed', message: expect.stringContaining('onAgentChanged') },
    });
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
  });

  test('goes on with a warning where that is allowed', async () => {
    const { boot, eventsOf } = await crash();
    const second = boot(() => 'Done.', { agents: [after], onAgentChanged: 'continue' });
    const { recovered } = await second.runtime.recover();
    expect(await recovered[0]?.ended).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(eventsOf('root').map(({ type }) => type)).toContain('warning.raised');
    expect(second.provider.requests[0]?.request.messages[0]).toMatchObject({ content: 'Be quick.' });
  });

  test('is the same agent when it says the same', async () => {
    const { boot } = await crash();
    const same = defineAgent({ name: 'clerk', instructions: 'Be kind.' });
    const { recovered } = await boot(() => 'Done.', { agents: [same] }).runtime.recover();
    expect(await recovered[0]?.ended).toMatchObject({ status: 'completed' });
  });
});

test('[L6] an answer that could not be stored is not accepted, and can be given again', async () => {
  const world = machine();
  let refuses = false;
  const { runtime } = world.boot(script, {
    agents,
    store: {
      ...world.base,
      commit: async (steps) => {
        await settle();
        if (refuses) throw new Error('The disk is full.');
        return world.base.commit(steps);
      },
    },
  });
  const run = runtime.start(top, 'go', { runId: 'root' });
  const { questions } = await run.report;
  const id = questions[0]?.id ?? '';
  refuses = true;
  const refused = { status: 'rejected', reason: expect.stringContaining('The disk is full.') };
  const answers = [runtime.answer(id, true)];
  // and while it stops, and once it has
  for (let i = 0; i < 12; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    answers.push(runtime.answer(id, true));
  }
  for (const receipt of await Promise.all(answers)) expect(receipt).toMatchObject({ status: 'rejected' });
  expect(await answers[0]).toMatchObject(refused);
  // when there is room again
  refuses = false;
  expect(await runtime.answer(id, true)).toEqual({ status: 'accepted' });
  expect((await (await runtime.attach('root')).ended).status).toBe('completed');
  expect(checkRunLaws(world.eventsOf('root'))).toEqual([]);
});

test('[L7] a run whose checkpoint is missing is skipped, and says so', async () => {
  const world = machine();
  const first = world.boot(() => ({ hang: true }), { agents });
  first.runtime.start(top, 'go', { runId: 'root' });
  await settle();
  first.kill();
  const store = { ...world.base, checkpoint: () => undefined };
  const { runtime } = world.boot(() => 'Done.', { agents, store });
  expect(await runtime.recover()).toMatchObject({
    recovered: [],
    skipped: [{ runId: 'root', reason: expect.stringContaining('checkpoint is not in the store') }],
  });
});

test('[L7] a run that was stored when outboxes held less goes on, is replayed, and says what a command comes to', async () => {
  const { base, boot } = machine();
  const lead = defineAgent({ name: 'lead', instructions: '' });
  const first = boot([{ hang: true }], { agents: [lead] });
  first.runtime.start(lead, 'go', { runId: 'r' });
  await settle();
  first.kill();
  // given a checkpoint whose outbox knows neither orders nor notes
  const checkpoint = (runId: string) => {
    const found = base.checkpoint(runId) as Checkpoint | undefined;
    return found && { ...found, context: { ...(found.context as object), outbox: { events: [], messages: [] } } };
  };
  const store = mortalStore({ ...base, checkpoint }).store;
  const { runtime } = boot(['Done.'], { agents: [lead], store });
  expect((await runtime.replay('r')).snapshot.value).toEqual({ running: 'thinking' });
  const run = await runtime.attach('r');
  expect(await run.can({ type: 'steer', text: 'Hurry.' })).toMatchObject({ status: 'deferred' });
  // when it is brought back
  expect(await runtime.recover()).toMatchObject({ recovered: [{ id: 'r' }], skipped: [] });
  // then it goes on
  expect(await run.ended).toMatchObject({ status: 'completed', text: 'Done.' });
  expect((await runtime.replay('r')).snapshot.status).toBe('done');
});

test('[L7] nothing is recovered by a runtime that is closed, or closes meanwhile', async () => {
  const world = machine();
  const first = world.boot(() => ({ hang: true }), { agents });
  first.runtime.start(top, 'go', { runId: 'root' });
  await settle();
  first.kill();
  for (let ticks = 0; ticks < 25; ticks++) {
    const { runtime } = world.boot(() => ({ hang: true }), { agents, leaseMs: 60_000 });
    const recovering = runtime.recover();
    for (let i = 0; i < ticks; i++) await Promise.resolve();
    const closed = runtime.close({ runs: 'suspend' });
    await recovering;
    await closed;
    await expect(runtime.recover()).rejects.toMatchObject({ code: 'runtime.closed' });
  }
  // and it is free for whoever comes next
  const { recovered } = await world.boot(() => 'Done.', { agents }).runtime.recover();
  expect(await recovered[0]?.ended).toMatchObject({ status: 'completed' });
});

test('[L7] a run that somebody attaches to while it is brought back is one run', async () => {
  const clerk = defineAgent({ name: 'clerk', instructions: '' });
  for (let ticks = 0; ticks < 40; ticks++) {
    const world = machine();
    const first = world.boot(() => ({ hang: true }), { agents: [clerk] });
    first.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    first.kill();
    const { runtime } = world.boot(() => 'Done.', { agents: [clerk] });
    const recovering = runtime.recover();
    for (let i = 0; i < ticks; i++) await Promise.resolve();
    const attached = await runtime.attach('root');
    const { recovered } = await recovering;
    const reports = await Promise.all([attached.ended, recovered[0]?.ended]);
    expect(reports.map((report) => report?.status)).toEqual(['completed', 'completed']);
    await runtime.close();
  }
});

describe('[F-13] on a store that keeps less than a whole commit, though it promises more', () => {
  const worker = defineAgent({ name: 'worker', instructions: '' });
  const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(() => worker, 'down')] });
  const said: Script = ({ messages }, { agent }) =>
    agent === 'worker' ? 'worker done' : messages.some(({ role }) => role === 'tool') ? 'boss done' : call('down');
  /** Dies over the first commit for which `half` says which of its steps are kept. */
  const crash = async (half: (steps: readonly Commit[]) => readonly Commit[] | undefined) => {
    const world = machine();
    const first = world.boot(said, {
      agents: [boss, worker],
      store: {
        ...world.base,
        commit: (steps) => {
          const kept = half(steps);
          if (!kept) return world.base.commit(steps);
          void world.base.commit(kept);
          first.kill();
          return new Promise<never>(() => {});
        },
      },
    });
    first.runtime.start(boss, 'go', { runId: 'root' });
    await settle();
    const second = world.boot(said, { agents: [boss, worker] });
    const { recovered } = await second.runtime.recover();
    const report = await recovered[0]?.ended;
    return { ...world, ...second, report };
  };
  const has = (type: string) => (step: Commit) => step.events.some((event) => event.type === type);

  test('the end of a child that its parent did not note is collected, and nothing is worked out again', async () => {
    const { report, provider, eventsOf } = await crash((steps) =>
      steps.some(has('child.settled')) ? steps.filter((step) => !has('child.settled')(step)) : undefined,
    );
    expect(report).toMatchObject({ status: 'completed', text: 'boss done', children: [{ status: 'completed' }] });
    expect(provider.requests.map(({ context }) => context.agent)).toEqual(['boss']);
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
  });

  test('a child of which nothing is stored has failed', async () => {
    const { report, eventsOf } = await crash((steps) =>
      steps.some(has('child.started')) ? steps.filter(({ runId }) => runId === 'root') : undefined,
    );
    expect(report).toMatchObject({ status: 'completed', text: 'boss done' });
    expect(eventsOf('root').filter(({ type }) => type === 'child.settled')).toMatchObject([
      { childId: 'root/1-0/0', status: 'failed' },
    ]);
  });
});

describe('[F-15] where runs are not to go on', () => {
  const play: Script = ({ messages }, { agent }) => {
    if (agent === 'leaf') return { hang: true };
    return messages.some(({ role }) => role === 'tool') ? 'Done.' : call('down');
  };
  const crash = async () => {
    const world = machine();
    const leaf = defineAgent({ name: 'leaf', instructions: '' });
    const down = defineTool({
      name: 'down',
      description: '',
      inputSchema: z.object({}),
      execute: () => spawned([{ agent: leaf, job: 'go' }]),
      settle: ([report]) => ({ content: String(report?.status) }),
    });
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [down] });
    const first = world.boot(play, { agents: [lead, leaf] });
    first.runtime.start(lead, 'go', { runId: 'root' });
    await settle();
    first.kill();
    return { ...world, agents: [lead, leaf] };
  };

  test('recovery ends each as orphaned, once, and tells its parent once', async () => {
    const { boot, eventsOf, agents } = await crash();
    const second = boot(play, { agents, recover: 'orphan' });
    expect(await second.runtime.answer('root/1-0?', true)).toMatchObject({ status: 'rejected' });
    await expect(second.runtime.resume('root')).rejects.toMatchObject({
      message: expect.stringContaining('recover: "orphan"'),
    });
    const { recovered, skipped } = await second.runtime.recover();
    expect(skipped).toEqual([]);
    expect(await recovered[0]?.ended).toMatchObject({
      status: 'interrupted',
      exitReason: 'orphaned',
      calls: [{ tool: 'down', status: 'ok', result: 'interrupted' }],
      children: [{ status: 'interrupted', exitReason: 'orphaned' }],
    });
    const events = eventsOf('root');
    expect(checkRunLaws(events)).toEqual([]);
    expect(events.filter(({ type }) => type === 'child.settled')).toHaveLength(1);
    expect(second.provider.requests).toEqual([]);
    expect((await second.runtime.recover()).recovered).toEqual([]);
  });

  test('only "continue" and "orphan" can be asked for', () => {
    expect(() => machine().boot(() => '', { recover: 'never' as never })).toThrow(
      expect.objectContaining({ code: 'runtime.invalid' }),
    );
  });
});

describe('[L7] an agent that was made for one run', () => {
  const made = () => defineAgent({ name: 'made', instructions: 'Made up.', tools: [risky] });
  const playing: Script = ({ messages }, { agent }) => {
    if (messages.some(({ role }) => role === 'assistant')) return `${agent} done`;
    return call(agent === 'made' ? 'risky' : 'down');
  };
  const crash = async (tool: Tool) => {
    const world = machine();
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [tool] });
    const first = world.boot(playing, { agents: [lead] });
    await first.runtime.start(lead, 'go', { runId: 'root' }).report;
    first.kill();
    return { ...world, lead };
  };

  test('is made again by the tool that made it', async () => {
    const { boot, lead } = await crash(delegating(made, 'down', { rebuild: made }));
    const { runtime } = boot(playing, { agents: [lead] });
    expect(await runtime.resume('root', true)).toMatchObject({
      status: 'completed',
      calls: [{ result: 'completed: made done' }],
    });
  });

  const secret = 'sk-0123456789abcdef0123456789abcdef';
  test.each<[string, Partial<Tool>, string]>([
    ['cannot', { rebuild: undefined as never }, 'it has no "rebuild".'],
    [
      'breaks over it',
      {
        rebuild: () => {
          throw new Error(`no model for api_key=${secret}`);
        },
      },
      'its "rebuild" threw: no model for api_key=[redacted]',
    ],
    ['makes nothing', { rebuild: () => undefined as never }, 'its "rebuild" gave no agent.'],
  ])(
    'fails its run where that tool %s, which says so, and the run above hears of it',
    async (_how, options, reason) => {
      const { boot, lead, eventsOf } = await crash(delegating(made, 'down', options));
      const { recovered } = await boot(playing, { agents: [lead] }).runtime.recover();
      const report = await recovered[0]?.ended;
      expect(report).toMatchObject({
        status: 'completed',
        children: [{ status: 'failed', exitReason: 'agent_unknown' }],
      });
      expect(report?.calls[0]?.result).toContain('agent.unknown');
      const runId = 'root/1-0/0';
      const failed = eventsOf('root').find((event) => event.runId === runId && event.type === 'run.failed');
      expect(failed).toMatchObject({
        fault: {
          code: 'agent.unknown',
          message: `Run "${runId}" is of agent "made", which tool "down" made, and cannot make again: ${reason}`,
          details: { tool: 'down', reason },
        },
      });
      expect(checkRunLaws(eventsOf('root'))).toEqual([]);
    },
  );

  test('fails its run where nothing was kept to make it again of, and nobody knows it', async () => {
    const { boot, lead, eventsOf } = await crash(delegating(made, 'down'));
    await boot(playing, { agents: [lead] }).runtime.recover();
    const message = /^Run "root\/1-0\/0" is of agent "made", which is not known here\. Give it to createRuntime/;
    expect(eventsOf('root').find(({ type }) => type === 'run.failed')).toMatchObject({
      exitReason: 'agent_unknown',
      fault: { message: expect.stringMatching(message) },
    });
  });

  test('fails its run where its parent has that tool no more, or is not known', async () => {
    const reasons = async (agents: (tool: Tool) => AnyAgent[]) => {
      const tool = delegating(made, 'down', { rebuild: made });
      const { boot, eventsOf } = await crash(tool);
      await boot(playing, { agents: agents(tool), onAgentChanged: 'continue' }).runtime.recover();
      await settle();
      return eventsOf('root').flatMap((event) =>
        event.type === 'run.failed' && event.runId !== 'root' ? [event.fault.details?.reason] : [],
      );
    };
    expect(await reasons(() => [defineAgent({ name: 'lead', instructions: '' })])).toEqual([
      'agent "lead" has no such tool any more.',
    ]);
    expect(await reasons(() => [])).toEqual(['agent "lead", whose tool it is, is not known here.']);
  });

  test('stays as it is where somebody uses it and it cannot be made again: they hear why', async () => {
    const rebuild = () => {
      throw new Error('the vault is closed');
    };
    const { boot, lead } = await crash(delegating(made, 'down', { rebuild }));
    const { runtime } = boot(playing, { agents: [lead] });
    await expect(runtime.resume('root', true)).rejects.toThrow('its "rebuild" threw: the vault is closed');
    const asked = await runtime.runs.list({ status: 'paused' });
    expect(asked).toHaveLength(2);
  });
});

describe('[L7, F-18] time', () => {
  const slow = defineAgent({ name: 'slow', instructions: '', budget: { activeMs: 1_000, deadlineMs: 10_000 } });
  const crash = async (workedMs: number, downMs: number) => {
    const world = machine();
    const first = world.boot(() => ({ hang: true }), { agents: [slow] });
    const run = first.runtime.start(slow, 'go', { runId: 'root' });
    await settle();
    world.clock.increment(workedMs);
    await run.steer('still there?');
    first.kill();
    world.clock.increment(downMs);
    return world;
  };

  test('between a crash and its recovery is not active time', async () => {
    const { boot, clock } = await crash(400, 5_000);
    const { recovered } = await boot(() => ({ text: 'Done.', delayMs: 200 }), { agents: [slow] }).runtime.recover();
    // what it was told before the crash sends it round once more
    for (let turn = 0; turn < 2; turn++) {
      await settle();
      clock.increment(200);
    }
    expect(await recovered[0]?.ended).toMatchObject({ status: 'completed', usage: { activeMs: 800, turns: 2 } });
  });

  test('of work before a crash counts on', async () => {
    const { boot, clock } = await crash(600, 5_000);
    const { recovered } = await boot(() => ({ hang: true }), { agents: [slow] }).runtime.recover();
    await settle();
    clock.increment(400);
    expect(await recovered[0]?.ended).toMatchObject({
      status: 'failed',
      exitReason: 'timeout',
      usage: { activeMs: 1_000 },
    });
  });

  test('on the wall goes on: a deadline that passed meanwhile ends the run', async () => {
    const { boot, clock } = await crash(600, 10_000);
    const { recovered } = await boot(() => ({ hang: true }), { agents: [slow] }).runtime.recover();
    await settle();
    clock.increment(1);
    expect(await recovered[0]?.ended).toMatchObject({
      exitReason: 'timeout',
      fault: { details: { kind: 'deadlineMs' } },
    });
  });
});

describe('[L7] a suspended runtime', () => {
  test('tells no end; its runs go on in the next, which reads on from where a reader stood [F-17]', async () => {
    const { boot, eventsOf } = machine();
    const first = boot(() => ({ hang: true }), { agents: [leaf] });
    const run = first.runtime.start(leaf, 'go', { runId: 'root' });
    await settle();
    const ended = run.ended.catch((error: unknown) => error);
    await first.runtime.close({ runs: 'suspend' });
    expect(await ended).toMatchObject({ code: 'runtime.closed' });
    const stood = eventsOf('root').length;
    const second = boot(() => 'Done.', { agents: [leaf] });
    const read: RunEvent[] = [];
    second.runtime.events({ rootId: 'root', after: stood }).subscribe((event) => void read.push(event));
    await second.runtime.recover();
    await settle();
    expect(read.filter((event) => !isLive(event)).map(({ type }) => type)).toEqual([
      'run.recovered',
      'turn.completed',
      'run.completed',
    ]);
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
  });
});

describe('[L7] a job with a schema of its own', () => {
  test('is checked by that schema after a restart', async () => {
    const { boot } = machine();
    const clerk = defineAgent({ name: 'clerk', instructions: '' });
    const first = boot(() => ({ hang: true }), { agents: [clerk] });
    first.runtime.start(clerk, { input: 'go', outputSchema: z.object({ n: z.number() }) }, { runId: 'root' });
    await settle();
    first.kill();
    const second = boot(['{"n": "no number"}', '{"n": 1}'], { agents: [clerk] });
    const { recovered } = await second.runtime.recover();
    expect(await recovered[0]?.ended).toMatchObject({ status: 'completed', data: { n: 1 } });
    expect(second.provider.requests[0]?.request.output?.schema).toMatchObject({
      properties: { n: { type: 'number' } },
    });
  });
});

test('[BG-012] places of a quota that were taken before a restart are counted after it', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: '' });
  const limited = defineTool({
    name: 'limited',
    description: '',
    inputSchema: numbered,
    execute: () => spawned([{ agent: leaf, job: 'x', quota: { key: 'limited:a', max: 2, message: 'All were used.' } }]),
    settle: ([report]) => ({ content: report?.fault?.message ?? report?.text ?? '' }),
  });
  const lead = defineAgent({ name: 'lead', instructions: '', tools: [limited] });
  const script: Script = ({ messages }, { agent }) => {
    if (agent === 'leaf') return 'Leaf done.';
    const [heard] = messages.filter(({ role }) => role === 'tool');
    return heard ? String(heard.content) : call('limited');
  };
  const { boot } = machine();
  const said: (string | null)[] = [];
  for (let life = 0; life < 3; life++) {
    const { runtime, kill } = boot(script, { agents: [lead, leaf] });
    expect(await runtime.recover()).toEqual({ recovered: [], skipped: [] });
    said.push((await runtime.run(lead, 'go')).text);
    kill();
  }
  expect(said).toEqual(['Leaf done.', 'Leaf done.', 'All were used.']);
});
