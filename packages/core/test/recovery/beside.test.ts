import { agentLogic, defineAgent, defineTool } from '@troupe/core';
import type { RunStore } from '@troupe/protocol';
import type { Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, guardedTool } from '../control/tools.ts';
import { only } from '../lead.ts';
import { apart, asking, clerk, hangs, leaf, machine, top, watch } from './processes.ts';

/** A run that makes calls one after another in one process, and a handle of it in another one. */
const working = async (execute: () => string | Promise<string>, calls: number) => {
  const tool = defineTool({ name: 'work', description: '', inputSchema: z.object({}), execute });
  const worker = defineAgent({ name: 'clerk', instructions: '', tools: [tool] });
  const world = machine();
  const there = world.boot(
    ({ messages }) =>
      messages.filter(({ role }) => role === 'tool').length < calls
        ? { calls: [{ name: 'work', arguments: {} }] }
        : 'Done.',
    { agents: [worker] },
  );
  const here = world.boot([], { agents: [worker] });
  const executed = there.runtime.start(worker, 'go', { runId: 'root' });
  await settle();
  return { here, executed, run: await here.runtime.attach('root') };
};

/** The next whole reading of a run shows what is there now, once it is let go. */
const slowReading = ({ mortal: { store } }: ReturnType<ReturnType<typeof machine>['boot']>) => {
  const slow = Promise.withResolvers<void>();
  const real = store.events;
  let slowOnce = true;
  store.events = (query) => {
    if (!slowOnce || !('runId' in query) || query.after !== undefined) return real(query);
    slowOnce = false;
    const read = [...(real(query) as Iterable<never>)];
    return (async function* () {
      await slow.promise;
      yield* read;
    })();
  };
  return slow;
};

/** From now on a tree is forgotten by the commit with which it has ended. */
const forgetsAtOnce = (store: RunStore, base: Pick<RunStore, 'prune'>): void => {
  const { commit } = store;
  store.commit = (steps) => {
    const stored = commit(steps);
    void base.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
    return stored;
  };
};

describe('beside another process', () => {
  test('a command to a run whose tree could not be stored there is answered, though that process goes on with other runs', async () => {
    const { boot, pass, eventsOf } = machine();
    const gate = Promise.withResolvers<string>();
    const there = boot(({ messages }) => (String(messages.at(-1)?.content) === 'go' ? gate.promise : { hang: true }), {
      agents: [clerk],
    });
    there.runtime.start(clerk, 'wait', { runId: 'other' });
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const real = there.mortal.store.commit;
    Object.assign(there.mortal.store, {
      commit: () => {
        there.mortal.store.commit = real;
        throw new Error('disk full');
      },
    });
    gate.resolve('x');
    await settle();
    expect(eventsOf('root').at(-1)?.type).not.toBe('run.completed');
    const here = boot(hangs, { agents: [clerk] });
    const receipt = watch((await here.runtime.attach('root')).steer('Hurry.'));
    await pass(20);
    expect(receipt.state).toBe('settled');
  });

  test('a command to a run whose recovery failed half way is answered, though that process goes on with other runs', async () => {
    const { boot, pass } = machine();
    const first = boot(hangs, { agents: [clerk] });
    first.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    first.mortal.die();
    await pass();
    const there = boot(hangs, { agents: [clerk] });
    there.runtime.start(clerk, 'wait', { runId: 'other' });
    await settle();
    const real = there.mortal.store.checkpoint;
    there.mortal.store.checkpoint = () => {
      throw new Error('io');
    };
    expect((await there.runtime.recover()).skipped).toHaveLength(1);
    there.mortal.store.checkpoint = real;
    const here = boot(hangs, { agents: [clerk] });
    const receipt = watch((await here.runtime.attach('root')).steer('Hurry.'));
    await pass(20);
    expect(receipt.state).toBe('settled');
  });

  test('a sender that does not know the agent waits while the run is executed', async () => {
    const { run, there, pass, eventsOf } = await apart(hangs, {});
    const { commit: real } = there.mortal.store;
    const slow = Promise.withResolvers<void>();
    Object.assign(there.mortal.store, {
      commit: async (steps: never) => {
        await slow.promise;
        return real(steps);
      },
    });
    const receipt = watch(run.steer('Hurry.'));
    await settle();
    await pass(2);
    slow.resolve();
    await settle();
    await pass(2);
    expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
    expect(receipt.value).toMatchObject({ status: 'deferred' });
  });

  test('a reading that comes late takes no followed handle back', async () => {
    const gate = Promise.withResolvers<string>();
    const { here, executed, run } = await working(() => gate.promise, 1);
    const report = watch(run.ended);
    await settle();
    const slow = slowReading(here);
    const again = here.runtime.attach('root');
    await settle();
    gate.resolve('ok');
    await executed.ended;
    await settle();
    expect([report.state, run.status]).toEqual(['settled', 'completed']);
    slow.resolve();
    await again;
    await settle();
    expect(run.status).toBe('completed');
  });

  test('a reading that comes late makes no report wrong', async () => {
    const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    let n = 0;
    const { here, executed, run } = await working(() => gates[n++]?.promise ?? '', 2);
    const report = run.ended;
    await settle();
    const slow = slowReading(here);
    const again = here.runtime.attach('root');
    await settle();
    gates[0]?.resolve('ok');
    await settle();
    slow.resolve();
    await again;
    await settle();
    gates[1]?.resolve('ok');
    const [a, b] = [await executed.ended, await report];
    expect(b.calls).toEqual(a.calls);
    expect(b.messages).toEqual(a.messages);
    expect(b.usage.turns).toEqual(a.usage.turns);
  });

  test('whoever waits for a run that came to life here, and was taken over, is told how it ended, or why it is not', async () => {
    const { boot, pass } = machine();
    const a = boot(hangs, { agents: [clerk] });
    a.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const b = boot(hangs, { agents: [clerk] });
    const run = await b.runtime.attach('root');
    const ended = watch(run.ended);
    await settle();
    a.mortal.die();
    await pass();
    await b.runtime.recover();
    await settle();
    // b is cut off; its lease runs out
    const renew = b.mortal.store.renew;
    b.mortal.store.renew = () => {};
    await pass();
    b.mortal.store.renew = renew;
    const c = boot(() => 'Done.', { agents: [clerk] });
    expect((await c.runtime.recover()).recovered).toHaveLength(1);
    await settle();
    await run.steer('hello?');
    await pass();
    if (ended.state === 'settled') expect(ended.value).toMatchObject({ status: 'completed', text: 'Done.' });
    else expect(ended.state).toBe('rejected');
  });

  test.each(['suspend', 'interrupt'] as const)(
    'closing, %s, settles what waits for a run of another process',
    async (runs) => {
      const { run, here } = await apart();
      const waits = [watch(run.report), watch(run.ended)];
      await settle();
      await here.runtime.close({ runs });
      await settle();
      expect(waits.map(({ state }) => state)).toEqual(['rejected', 'rejected']);
    },
  );

  test.each(['suspend', 'interrupt'] as const)(
    'closing, %s, does so with a store that tells of no changes, too',
    async (runs) => {
      const { boot } = machine();
      boot(hangs, { agents: [clerk] }).runtime.start(clerk, 'go', { runId: 'root' });
      await settle();
      const { runtime, mortal } = boot([], { agents: [clerk] });
      Object.assign(mortal.store, { changes: undefined });
      const waits = [watch((await runtime.attach('root')).ended)];
      await settle();
      const closed = runtime.close({ runs });
      await settle();
      await closed;
      await settle();
      expect(waits.map(({ state }) => state)).toEqual(['rejected']);
    },
  );

  test('a message to a run that is forgotten meanwhile is rejected, and does not throw', async () => {
    const { boot, base } = machine();
    const gate = Promise.withResolvers<string>();
    const there = boot(() => gate.promise, { agents: [clerk] });
    const executed = there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    there.mortal.store.inbox = () => [];
    const here = boot([], { agents: [clerk] });
    const run = await here.runtime.attach('root');
    const receipt = watch(run.steer('x'));
    await settle();
    gate.resolve('Done.');
    forgetsAtOnce(there.mortal.store, base);
    await executed.ended;
    await settle();
    expect(receipt.error).toBeUndefined();
    expect(receipt.value).toMatchObject({ status: 'rejected' });
  });

  test('a report of a run that ends and is forgotten between two looks is not waited for', async () => {
    const { boot, base, pass } = machine();
    const gate = Promise.withResolvers<string>();
    const there = boot(() => gate.promise, { agents: [clerk] });
    const executed = there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const here = boot([], { agents: [clerk] });
    const run = await here.runtime.attach('root');
    const report = watch(run.report);
    await settle();
    gate.resolve('Done.');
    forgetsAtOnce(there.mortal.store, base);
    await executed.ended;
    await settle();
    expect(base.get('root')).toBeUndefined();
    await pass();
    expect(report.state).not.toBe('pending');
  });

  test('a run paused by hand that has an open question is resumed from another process as it is here', async () => {
    for (const where of ['there', 'here'] as const) {
      const world = machine();
      const there = world.boot(asking, { agents: [leaf] });
      const here = world.boot([], { agents: [leaf] });
      const executed = there.runtime.start(leaf, 'go', { runId: 'root' });
      await executed.report;
      expect(await executed.pause()).toEqual({ status: 'accepted' });
      const resumed = watch((where === 'there' ? there : here).runtime.resume('root'));
      await settle();
      expect([where, resumed.state]).toEqual([where, 'settled']);
    }
  });

  test('a command to a run that ended elsewhere meanwhile says how it ended', async () => {
    const gate = Promise.withResolvers<string>();
    const { run, executed } = await apart(() => gate.promise);
    gate.resolve('Done.');
    await executed.ended;
    expect(await run.steer('x')).toEqual({ status: 'rejected', reason: 'the run has ended: completed' });
    expect(run.status).toBe('completed');
  });

  test('a message that is left just after its run came to life in the sender itself is heard', async () => {
    const { boot, pass } = machine({ own: false });
    const a = boot(hangs, { agents: [clerk] });
    a.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const b = boot(hangs, { agents: [clerk] });
    const run = await b.runtime.attach('root');
    const real = b.mortal.store.post;
    const slow = Promise.withResolvers<void>();
    b.mortal.store.post = async (mail) => {
      await slow.promise;
      return real(mail);
    };
    const receipt = watch(run.steer('x'));
    await settle();
    a.mortal.die();
    await pass(4);
    await b.runtime.recover();
    await settle();
    slow.resolve();
    await settle();
    await pass(10);
    expect(receipt.state).toBe('settled');
  });

  test('an inbox that was read before a commit and answers after it lets nothing be heard twice', async () => {
    const { run, there, base, eventsOf, listeners } = await apart();
    const real = there.mortal.store.inbox;
    const { commit } = there.mortal.store;
    const stored = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    Object.assign(there.mortal.store, {
      commit: async (steps: never) => {
        await stored.promise;
        return commit(steps);
      },
    });
    const receipt = run.steer('Hurry.');
    await settle();
    // another change: the inbox is read again
    there.mortal.store.inbox = async (owner) => {
      const mail = await real(owner);
      await late.promise;
      return mail;
    };
    for (const heard of [...listeners.keys()]) heard();
    await settle();
    expect(base.inbox('runtime0')).toHaveLength(1);
    stored.resolve();
    await receipt;
    await settle();
    late.resolve();
    await settle();
    expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
  });

  test('a receipt that cannot be read for a moment: rejected means not heard', async () => {
    const { run, here, eventsOf, there, listeners } = await apart();
    const inbox = there.mortal.store.inbox;
    there.mortal.store.inbox = () => [];
    const real = here.mortal.store.receipt;
    here.mortal.store.receipt = () => {
      here.mortal.store.receipt = real;
      throw new Error('busy');
    };
    const receipt = watch(run.steer('Hurry.'));
    await settle();
    there.mortal.store.inbox = inbox;
    for (const heard of [...listeners.keys()]) heard();
    await settle();
    expect(receipt.state).toBe('settled');
    const heard = only(eventsOf('root'), 'run.steered').length;
    expect([receipt.value?.status, heard]).toEqual(heard ? ['deferred', 1] : ['rejected', 0]);
  });

  test('the sender closes: rejected means not heard', async () => {
    const { run, here, eventsOf, there, listeners } = await apart();
    const inbox = there.mortal.store.inbox;
    there.mortal.store.inbox = () => [];
    const receipt = watch(run.steer('Hurry.'));
    await settle();
    await here.runtime.close();
    there.mortal.store.inbox = inbox;
    for (const heard of [...listeners.keys()]) heard();
    await settle();
    expect(receipt.state).toBe('settled');
    const heard = only(eventsOf('root'), 'run.steered').length;
    expect([receipt.value?.status, heard]).toEqual(['rejected', 0]);
  });

  test('an answer that is none is rejected', async () => {
    const world = machine();
    const there = world.boot(asking, { agents: [leaf] });
    const here = world.boot([], { agents: [leaf] });
    await there.runtime.start(leaf, 'go', { runId: 'root' }).report;
    const receipt = watch(here.runtime.answer('root/1-0?', null as never));
    await settle();
    await world.pass(10);
    expect(receipt.state).not.toBe('pending');
  });

  test('an inbox that fails once is looked at again', async () => {
    const { run, there, pass } = await apart();
    const real = there.mortal.store.inbox;
    there.mortal.store.inbox = () => {
      there.mortal.store.inbox = real;
      throw new Error('busy');
    };
    const receipt = watch(run.steer('x'));
    await settle();
    await pass(20);
    expect(receipt.state).toBe('settled');
  });

  test('a store that fails while a handle catches up does not hide the receipt', async () => {
    const { run, here } = await apart();
    const real = here.mortal.store.list;
    here.mortal.store.list = () => {
      throw new Error('busy');
    };
    const receipt = watch(run.steer('x'));
    await settle();
    here.mortal.store.list = real;
    expect(receipt.value).toMatchObject({ status: 'deferred' });
  });

  test('a question of a child that was let go is seen and answered through its root, which has ended, in a new process', async () => {
    const { boot } = machine();
    const pet = defineAgent({ name: 'leaf', instructions: '', tools: [guardedTool().tool] });
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegating(pet, { onPaused: 'error' })] });
    const script: Script = ({ messages }, { agent }) => {
      const isAnswered = messages.some(({ role }) => role === 'tool');
      if (agent === 'leaf') return isAnswered ? 'Leaf done.' : calling('erase');
      return isAnswered ? 'Done.' : calling('ask_leaf');
    };
    const agents = [lead, pet];
    const there = boot(script, { agents });
    const executed = there.runtime.start(lead, 'go', { runId: 'root' });
    await executed.ended;
    await settle();
    expect(executed.questions.map(({ id }) => id)).toEqual(['root/1-0/0/1-0?']);
    const here = boot(script, { agents });
    const run = await here.runtime.attach('root');
    const asked = run.questions.map(({ id }) => id);
    const receipt = await run.answer('root/1-0/0/1-0?', true);
    expect([asked, receipt]).toEqual([['root/1-0/0/1-0?'], { status: 'accepted' }]);
  });

  test('the same answer again is accepted, with a secret in it, too', async () => {
    const { boot } = machine();
    const ask = defineTool({
      name: 'risky',
      description: '',
      inputSchema: z.object({}),
      execute: async () => 'x',
      confirm: true,
    });
    void ask;
    const there = boot(asking, { agents: [leaf] });
    const executed = there.runtime.start(leaf, 'go', { runId: 'root' });
    await executed.report;
    const answer = { decline: 'my key is sk-abcdefgh12345678' };
    expect(await executed.answer('root/1-0?', answer)).toEqual({ status: 'accepted' });
    await settle();
    expect(await executed.answer('root/1-0?', answer)).toEqual({ status: 'accepted' });
  });

  test('a sender that brings nothing back does not withdraw while the run is executed', async () => {
    const { run, there, pass, listeners } = await apart(hangs, { agents: [clerk], recover: 'orphan' });
    const inbox = there.mortal.store.inbox;
    there.mortal.store.inbox = () => [];
    const receipt = watch(run.steer('Hurry.'));
    await settle();
    await pass(2);
    expect(receipt).toEqual({ state: 'pending' });
    there.mortal.store.inbox = inbox;
    for (const heard of [...listeners.keys()]) heard();
    await settle();
    expect(receipt.value).toMatchObject({ status: 'deferred' });
  });

  test("messages to runs that ended are in nobody's inbox", async () => {
    const { boot, base } = machine();
    const gate = Promise.withResolvers<string>();
    const there = boot(() => gate.promise, { agents: [clerk] });
    const executed = there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    there.mortal.store.inbox = () => [];
    const here = boot([], { agents: [clerk] });
    const receipt = (await here.runtime.attach('root')).steer('Hurry.');
    await settle();
    gate.resolve('Done.');
    await executed.ended;
    await receipt;
    expect(base.inbox('runtime0')).toEqual([]);
  });

  test('a command by agentLogic whose store fails is no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const { boot } = machine();
    const there = boot(hangs, { agents: [clerk] });
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const here = boot([], { agents: [clerk] });
    const actor = createActor(agentLogic(clerk, here.runtime), {
      input: 'go',
      snapshot: { status: 'active', runId: 'root', output: undefined, error: undefined } as never,
    });
    actor.start();
    await settle();
    const real = here.mortal.store.get;
    here.mortal.store.get = () => {
      throw new Error('busy');
    };
    const on = (error: unknown) => unhandled.push(error);
    const before = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', on);
    actor.send({ type: 'pause' });
    await settle();
    process.off('unhandledRejection', on);
    for (const each of before) process.on('unhandledRejection', each);
    here.mortal.store.get = real;
    expect(unhandled).toEqual([]);
  });

  test('a message behind one that cannot be told is heard', async () => {
    const world = machine();
    const there = world.boot(asking, { agents: [leaf] });
    const here = world.boot([], { agents: [leaf] });
    await there.runtime.start(leaf, 'go', { runId: 'root' }).report;
    await world.base.post({
      id: 'odd',
      runId: 'root',
      at: 0,
      message: { type: 'answer', questionId: 'root/1-0?', answer: null, by: 'x' },
    });
    const receipt = watch((await here.runtime.attach('root')).steer('x'));
    await settle();
    expect(receipt.state).toBe('settled');
  });

  test('a message that is in hand when its run is taken over is heard once', async () => {
    const { run, there, base, eventsOf, boot, pass } = await apart();
    const { commit } = there.mortal.store;
    const stored = Promise.withResolvers<void>();
    Object.assign(there.mortal.store, {
      renew: () => {},
      commit: async (steps: never) => {
        await stored.promise;
        return commit(steps);
      },
    });
    const receipt = watch(run.steer('Hurry.'));
    await settle();
    await pass(4);
    const c = boot(hangs, { agents: [clerk] });
    await c.runtime.recover();
    await pass(2);
    stored.resolve();
    await pass(4);
    expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
    expect(receipt.value).toMatchObject({ status: 'deferred' });
    expect(base.inbox('runtime0')).toEqual([]);
  });

  test('of answers that several processes give at once one counts, and those that say the same are accepted', async () => {
    const world = machine();
    const agents = [top, leaf];
    const there = world.boot(asking, { agents });
    const [b, c] = [world.boot([], { agents }), world.boot([], { agents })];
    const executed = there.runtime.start(top, 'go', { runId: 'root' });
    await executed.report;
    const receipts = await Promise.all([
      b.runtime.answer('root/1-0/0/1-0?', true),
      c.runtime.answer('root/1-0/0/1-0?', false),
      executed.answer('root/1-0/0/1-0?', true),
    ]);
    expect(receipts.filter(({ status }) => status === 'accepted').length).toBe(2);
    expect(only(world.eventsOf('root'), 'question.answered')).toHaveLength(1);
    await executed.ended;
  });

  test('a message that waits when its process suspends is heard by the next one', async () => {
    const { run, there, eventsOf, pass } = await apart(hangs);
    there.mortal.store.inbox = () => [];
    const receipt = watch(run.steer('Hurry.'));
    await settle();
    await there.runtime.close({ runs: 'suspend' });
    await pass(3);
    expect(receipt.value).toMatchObject({ status: 'deferred' });
    expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
  });

  test('nobody listens any more when all is over', async () => {
    const { run, there, here, executed, listeners } = await apart();
    const waits = [run.report, run.ended, run.ended];
    await run.steer('x');
    await run.interrupt();
    await Promise.all([...waits, executed.ended]);
    await settle();
    await there.runtime.close();
    await here.runtime.close();
    await settle();
    expect(listeners.size).toBe(0);
  });

  test('a question that was answered before it was looked at is no settlement', async () => {
    const { boot, listeners } = machine();
    const gate = Promise.withResolvers<void>();
    const slow = defineTool({
      name: 'risky',
      description: '',
      confirm: true,
      inputSchema: z.object({}),
      execute: () => new Promise<string>(() => {}),
    });
    const stuck = defineAgent({ name: 'stuck', instructions: '', tools: [slow] });
    const there = boot(() => gate.promise.then(() => calling('risky')), { agents: [stuck] });
    const here = boot([], { agents: [stuck] });
    const executed = there.runtime.start(stuck, 'go', { runId: 's' });
    await settle();
    const report = watch((await here.runtime.attach('s')).report);
    await settle();
    const kept = [...listeners];
    listeners.clear();
    gate.resolve();
    await executed.report;
    await executed.answer('s/1-0?', true);
    await settle();
    for (const [heard, whose] of kept) listeners.set(heard, whose);
    for (const [heard] of kept) heard();
    await settle();
    // It has been answered, and goes on: that is no settlement.
    expect(report.state).toBe('pending');
  });
});
