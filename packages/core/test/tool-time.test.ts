import type { FaultError } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

/** A run that makes one call of a tool, on a clock that stands still. */
const open = (tool: Parameters<typeof toolOf>[0], script: Turn[] = [{ calls: [call()] }, 'Done.']) => {
  const clock = new SimulatedClock();
  const opened = openRuntime({ provider: scriptedProvider(script), clock });
  const run = opened.runtime.start(leadOf({ tools: [toolOf(tool)] }), 'Go.');
  const pass = async (ms: number) => {
    await settle();
    clock.increment(ms);
    await settle();
  };
  const notes = () => only(opened.events, 'call.progressed').map(({ note }) => note);
  return { ...opened, run, pass, notes };
};
const never = () => new Promise<string>(() => {});

describe('[BG-102] a tool that takes too long', () => {
  test('is aborted and answered as timed out; the run goes on', async () => {
    let signal: AbortSignal | undefined;
    const { run, pass, events } = open({
      timeoutMs: 1_000,
      execute: (_input, context) => {
        signal = context.signal;
        return never();
      },
    });
    await pass(999);
    expect([signal?.aborted, run.status]).toEqual([false, 'running']);
    await pass(1);
    expect(signal?.aborted).toBe(true);
    expect(only(events, 'call.failed')).toMatchObject([{ timedOut: true, error: '"echo" timed out after 1000 ms' }]);
    expect(await run.report).toMatchObject({
      status: 'completed',
      calls: [{ status: 'error', result: '{"error":"\\"echo\\" timed out after 1000 ms"}' }],
    });
  });

  test('is not, when it answers in time', async () => {
    const { run, pass } = open({ timeoutMs: 1_000, execute: () => 'Hi.' });
    await pass(5_000);
    expect((await run.report).calls[0]).toMatchObject({ status: 'ok', result: 'Hi.' });
  });

  test.each([[{}], [{ timeoutMs: 1_000 }]])('has a signal that is aborted once its call has ended: %j', async (how) => {
    let signal: AbortSignal | undefined;
    let wasAborted: boolean | undefined;
    const { run } = open({
      ...how,
      execute: (_input, context) => {
        ({ signal } = context);
        wasAborted = signal.aborted;
        return 'Hi.';
      },
    });
    await run.report;
    expect([wasAborted, signal?.aborted]).toEqual([false, true]);
  });

  test('changes nothing any more when it answers late', async () => {
    let answer: (text: string) => void = () => {};
    const { run, pass, types } = open({
      timeoutMs: 1_000,
      execute: () => new Promise<string>((resolve) => (answer = resolve)),
    });
    await pass(1_000);
    answer('late');
    await run.report;
    await settle();
    expect(types().filter((type) => type.startsWith('call.'))).toEqual(['call.started', 'call.failed']);
  });
});

describe('[BG-102] retries', () => {
  const failing = (until: number) => {
    let tried = 0;
    return {
      tried: () => tried,
      execute: () => {
        if (++tried < until) throw new Error(`try ${tried}`);
        return `ok ${tried}`;
      },
    };
  };

  test('are extra attempts, each after twice the delay before; progress is told', async () => {
    const { execute, tried } = failing(3);
    const { run, pass, notes } = open({ execute, retries: 3, retryDelayMs: 100 });
    await pass(99);
    expect(tried()).toBe(1);
    await pass(1);
    expect(tried()).toBe(2);
    await pass(199);
    expect(tried()).toBe(2);
    await pass(1);
    expect((await run.report).calls[0]).toMatchObject({ status: 'ok', result: 'ok 3' });
    expect(notes()).toEqual(['Retry attempt 1/3 in 100 ms', 'Retry attempt 2/3 in 200 ms']);
  });

  test('end with the last error', async () => {
    const { execute, tried } = failing(9);
    const { run } = open({ execute, retries: 2 });
    expect((await run.report).calls[0]).toMatchObject({ status: 'error', result: '{"error":"try 3"}' });
    expect(tried()).toBe(3);
  });

  test('come after an error that was returned or a timeout, too, each attempt with a signal of its own', async () => {
    const signals: AbortSignal[] = [];
    const wasAborted: boolean[] = [];
    const execute = (_input: unknown, { signal }: { signal: AbortSignal }) => {
      wasAborted.push(signal.aborted);
      return signals.push(signal) === 1 ? never() : { error: 'No.' };
    };
    const { run, pass } = open({ execute, retries: 2, timeoutMs: 10 });
    await pass(10);
    expect((await run.report).calls[0]?.result).toBe('{"error":"No."}');
    expect(wasAborted).toEqual([false, false, false]);
    // of what is over nothing goes on, whatever it came to
    expect(signals.map(({ aborted, reason }) => aborted && (reason as FaultError).code)).toEqual([
      'call.timeout',
      'call.ended',
      'call.ended',
    ]);
  });

  test('are none when the input does not fit: trying again would not help', async () => {
    const { execute, tried } = failing(1);
    const { run } = open({ execute, retries: 5 }, [{ calls: [{ name: 'echo', arguments: {} }] }, 'Done.']);
    await run.report;
    expect(tried()).toBe(0);
  });
});

describe('[BG-103] interrupting a run', () => {
  test('before a call starts means that it never starts', async () => {
    let release = () => {};
    let executed = false;
    const before = [{ run: () => new Promise<void>((resolve) => (release = resolve)) }];
    const { run, events } = open({
      before,
      execute: () => {
        executed = true;
        return '';
      },
    });
    await settle();
    await run.interrupt('Stop.');
    release();
    await settle();
    expect(executed).toBe(false);
    expect(only(events, 'call.failed')).toMatchObject([{ cancelled: true, error: 'Cancelled: Stop.' }]);
  });

  test('before its turn is closed means that no call is made', async () => {
    let executed = false;
    const { run, types } = open(
      {
        execute: () => {
          executed = true;
          return '';
        },
      },
      [{ calls: [call()], hang: true }],
    );
    await settle();
    await run.interrupt();
    expect([(await run.report).status, executed, types().includes('call.started')]).toEqual([
      'interrupted',
      false,
      false,
    ]);
  });

  test.each([undefined, 60_000])(
    'while a call runs aborts its signal and answers it as cancelled (timeoutMs: %s)',
    async (timeoutMs) => {
      let signal: AbortSignal | undefined;
      const { run, events } = open({
        ...(timeoutMs && { timeoutMs }),
        retries: 3,
        execute: (_input, context) => {
          signal = context.signal;
          return never();
        },
      });
      await settle();
      await run.interrupt('Stop.');
      expect(signal?.aborted).toBe(true);
      expect(only(events, 'call.failed')).toMatchObject([
        { cancelled: true, status: 'error', error: 'Cancelled: Stop.' },
      ]);
      expect((await run.report).messages.at(-1)).toMatchObject({ role: 'tool', callId: 'call_1' });
    },
  );

  test('from inside the call aborts the signal that the call was given', async () => {
    let aborted: boolean | undefined;
    const { runtime } = openRuntime({ provider: scriptedProvider([{ calls: [call()] }]) });
    const stop = toolOf({
      timeoutMs: 60_000,
      execute: async (_input, context) => {
        void run.interrupt();
        await settle(1);
        aborted = context.signal.aborted;
        return '';
      },
    });
    const run = runtime.start(leadOf({ tools: [stop] }), 'Go.');
    await run.report;
    await settle();
    expect(aborted).toBe(true);
  });

  test('while a call waits for its next attempt ends the wait, and there is none', async () => {
    let tried = 0;
    const { run, pass, events } = open({
      retries: 1,
      retryDelayMs: 100,
      execute: () => {
        tried += 1;
        throw new Error('No.');
      },
    });
    await pass(50);
    await run.interrupt();
    await pass(1_000);
    expect(tried).toBe(1);
    expect(only(events, 'call.failed')).toMatchObject([{ cancelled: true }]);
  });

  test('is heard by a call that looks at its signal only afterwards', async () => {
    let look: () => boolean = () => false;
    const { run } = open({
      execute: (_input, context) => {
        look = () => context.signal.aborted;
        return never();
      },
    });
    await settle();
    await run.interrupt();
    expect(look()).toBe(true);
  });

  test('silences a call that still reports progress', async () => {
    let say: (note: string) => void = () => {};
    const { run, notes } = open({
      execute: (_input, { progress }) => {
        say = progress;
        progress('begun');
        return never();
      },
    });
    await settle();
    await run.interrupt();
    say('too late');
    await settle();
    expect(notes()).toEqual(['begun']);
  });
});
