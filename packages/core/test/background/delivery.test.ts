import { memoryStore } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { nested } from './nested.ts';
import { openOffice } from './office.ts';

describe('what a unit has come to is heard before the next turn of the run at work, and ends nothing [F-14, B-38]', () => {
  test.each([
    ['whose model answers just now', 'do: send a; think 2000; say so', ['assistant: thought']],
    ['whose tool works just now', 'do: send a; work 2000', ['assistant: work', 'tool: worked']],
  ])('%s', async (_what, plan, before) => {
    const { runtime, lead, pass, heard, units, provider, deliveries, types } = openOffice();
    const run = runtime.start(lead, plan, { runId: 'r' });
    await pass(1_000);
    const [unitId = ''] = await units();
    expect((await runtime.runs.get(unitId))?.status).toBe('completed');
    expect(run.status).toBe('running');
    // when what was in flight is there
    await pass(1_000);
    await pass();
    // then it was not aborted, and the run has heard of its unit
    expect(provider.requests.every(({ aborted }) => !aborted)).toBe(true);
    expect(heard().slice(3)).toEqual([`tool: Sent as ${unitId}.`, ...before, expect.stringContaining('did a')]);
    expect(deliveries()).toEqual({ [unitId]: ['r'] });
    expect(types('r').filter((type) => type === 'run.completed')).toHaveLength(1);
    expect((await run.ended).status).toBe('completed');
    expect(await runtime.runs.get(`wake_${unitId}`)).toBeUndefined();
  });

  test('that waits for a person, once it was answered [F-04]', async () => {
    const { runtime, lead, pass, heard, deliveries } = openOffice();
    const run = runtime.start(lead, 'do: send a; ask', { runId: 'r' });
    await pass(1_000);
    const [question] = run.questions;
    expect(Object.keys(deliveries())).toEqual([]);
    expect((await runtime.runs.list({ sentTo: 'r' })).length).toBe(0);
    await run.answer(question?.id ?? '', true);
    await pass();
    expect(heard().slice(-2)).toEqual(['tool: checked', expect.stringContaining('did a')]);
    expect(Object.values(deliveries())).toEqual([['r']]);
  });

  test('that is paused, once it goes on', async () => {
    const { runtime, lead, pass, deliveries } = openOffice();
    const run = runtime.start(lead, 'do: send a; think 500', { runId: 'r' });
    await pass();
    await run.pause();
    await pass(1_000);
    expect(deliveries()).toEqual({});
    await run.resume();
    await pass(500);
    expect(Object.values(deliveries())).toEqual([['r']]);
  });

  test('that reads its memory, before its first turn', async () => {
    const gate = Promise.withResolvers<undefined>();
    let holds = false;
    const memory = { ...memoryStore(), read: () => (holds ? gate.promise : undefined) };
    const { runtime, lead, pass, heard, deliveries } = openOffice({ memory, agent: { memoryScope: 'shared' } });
    const session = runtime.session(lead, { sessionKey: 'k' });
    await (await session.send('do: send a')).ended;
    holds = true;
    const run = await session.send('do: say hello');
    await pass(1_000);
    gate.resolve(undefined);
    expect((await run.ended).text).toBe('hello');
    expect(heard().slice(-2)).toEqual(['user: do: say hello', expect.stringContaining('did a')]);
    expect(Object.values(deliveries())).toEqual([[run.id]]);
  });

  test('the next of its session, where the one at work is about to end', async () => {
    const inner = memoryStore();
    const gate = Promise.withResolvers<void>();
    let holds = true;
    const memory = {
      ...inner,
      write: async (scope: string, key: string, value: never) => {
        if (holds) await gate.promise;
        holds = false;
        return inner.write(scope, key, value);
      },
    };
    const { runtime, lead, pass, deliveries } = openOffice({ memory, agent: { memoryScope: 'shared' } });
    const session = runtime.session(lead, { sessionKey: 'k' });
    await session.send('do: send a', { runId: 'r1' });
    await session.send('do: say hello', { runId: 'r2' });
    await pass(1_000);
    await pass(1_000);
    // the first has answered and writes its memory; its unit has ended
    expect((await runtime.runs.list({ sentTo: 'k' })).map(({ status }) => status)).toEqual(['queued', 'running']);
    gate.resolve();
    await pass(1_000);
    expect(Object.values(deliveries())).toEqual([['r2']]);
  });
});

describe('what a unit has come to when nobody is at work', () => {
  test('begins one run that goes on with the conversation, and hears all that is there by then [F-14]', async () => {
    const { runtime, lead, pass, heard, units, deliveries } = openOffice();
    const report = await runtime.run(lead, 'do: send a; send b; send quick', { runId: 'r' });
    expect(report.status).toBe('completed');
    await pass();
    await pass(1);
    const [a = '', b = '', quick = ''] = await units();
    await pass(1_000);
    expect(deliveries()).toEqual({ [quick]: [`wake_${quick}`], [a]: [`wake_${a}`], [b]: [`wake_${a}`] });
    expect(heard()).toEqual([
      'system: You lead.',
      'user: do: send a; send b; send quick',
      ...[a, b, quick].flatMap((unitId) => ['assistant: send', `tool: Sent as ${unitId}.`]),
      expect.stringContaining('assistant: noted: Sent as'),
      expect.stringContaining('did quick'),
      expect.stringContaining('assistant: noted: [BACKGROUND'),
      expect.stringMatching(/^user: \[BACKGROUND COMPLETED.*did a.*\[BACKGROUND COMPLETED.*did b/s),
    ]);
    expect(await runtime.runs.get(`wake_${a}`)).toMatchObject({ after: `wake_${quick}`, sessionKey: 'r' });
    expect((await runtime.runs.list({ sentTo: 'r' })).every(({ status }) => status === 'completed')).toBe(true);
  });

  test.each(['a session', 'a run that names a session', 'a run without one'])('is sent to %s [HM-156]', async (how) => {
    const { runtime, lead, pass, heard } = openOffice();
    // a session of which nothing was left is left alone
    const other = runtime.session(lead, { sessionKey: 'other' });
    await (await other.send('do: say hello')).ended;
    const session = runtime.session(lead, { sessionKey: 'k' });
    const run =
      how === 'a session'
        ? await session.send('do: send a', { runId: 'r' })
        : runtime.start(lead, 'do: send a', { runId: 'r', ...(how !== 'a run without one' && { sessionKey: 'k' }) });
    await run.ended;
    await pass(1_000);
    expect(heard().slice(0, 3)).toEqual(['system: You lead.', 'user: do: send a', 'assistant: send']);
    expect(heard().at(-1)).toContain('did a');
    const key = how === 'a run without one' ? 'r' : 'k';
    const [woken] = await runtime.runs.list({ sentTo: key });
    expect(woken).toMatchObject({ after: 'r', status: 'completed' });
    // and the conversation goes on
    const next = await runtime.session(lead, { sessionKey: key }).send('do: say more');
    expect((await next.ended).messages.length).toBe(9);
    expect((await runtime.runs.list({ sentTo: 'other' })).length).toBe(1);
  });

  test('begins none beside a run that was sent in that very moment', async () => {
    const inner = memoryStore();
    const gate = Promise.withResolvers<void>();
    let isAboutTo = false;
    const get: typeof inner.get = async (runId) => {
      // whoever asks for it has seen that nobody is at work
      if (runId.startsWith('wake_')) {
        isAboutTo = true;
        await gate.promise;
      }
      return inner.get(runId);
    };
    const { runtime, lead, pass, deliveries, heard } = openOffice({ store: { ...inner, get } });
    const session = runtime.session(lead, { sessionKey: 'k' });
    await (await session.send('do: send quick')).ended;
    await pass();
    await pass(1);
    expect(isAboutTo).toBe(true);
    const run = await session.send('do: think 10');
    gate.resolve();
    await pass(10);
    expect(Object.values(deliveries())).toEqual([[run.id]]);
    expect(heard()).toContainEqual(expect.stringContaining('did quick'));
    expect((await runtime.runs.list({ sentTo: 'k' })).length).toBe(2);
  });

  test('begins a run also where the one at work has no turn or no tokens left to hear it', async () => {
    for (const budget of [{ turns: 2 }, { tokens: 30 }]) {
      const { runtime, lead, pass, deliveries, units } = openOffice({ agent: { budget } });
      const run = runtime.start(lead, 'do: send a; think 2000', { runId: 'r' });
      await pass(1_000);
      const [unitId = ''] = await units();
      expect(deliveries()).toEqual({});
      await pass(1_000);
      expect((await run.ended).status).toBe('completed');
      await pass();
      expect(deliveries()).toEqual({ [unitId]: [`wake_${unitId}`] });
    }
  });

  test('begins no run where the one that heard it fails', async () => {
    const { runtime, lead, pass, deliveries, units } = openOffice();
    const run = runtime.start(lead, 'do: send a; work 1500; fail', { runId: 'r' });
    await pass(1_000);
    const [unitId = ''] = await units();
    await pass(500);
    expect((await run.ended).status).toBe('failed');
    await pass();
    expect(deliveries()).toEqual({ [unitId]: ['r'] });
  });
});

test('a unit that was dispatched from within a unit belongs to the same conversation', async () => {
  const { runtime, lead, pass, heard, units, deliveries } = openOffice({ tool: nested });
  const run = runtime.start(lead, 'do: send inner', { runId: 'r' });
  await run.ended;
  await pass(1_000);
  await pass(1_000);
  const [outer = '', inner = ''] = await units();
  expect(await runtime.runs.get(inner)).toMatchObject({ sessionKey: 'r', origin: { rootId: outer } });
  expect(heard().slice(-3)).toEqual([
    expect.stringMatching(/^user: \[BACKGROUND COMPLETED.*noted: Sent/s),
    expect.any(String),
    expect.stringMatching(/^user: \[BACKGROUND COMPLETED.*did leaf/s),
  ]);
  expect(deliveries()).toEqual({ [outer]: [`wake_${outer}`], [inner]: [`wake_${inner}`] });
  expect(await runtime.runs.tree('r')).toMatchObject({
    runId: 'r',
    children: [
      {
        runId: outer,
        background: true,
        children: [{ agent: 'chief', children: [{ runId: inner, background: true }] }],
      },
    ],
  });
});

test('and what it came to is told before the unit around it has ended', async () => {
  const { runtime, lead, pass, heard, units, deliveries } = openOffice({ tool: nested });
  await runtime.run(lead, 'do: send inner slow', { runId: 'r' });
  await pass();
  await pass(1);
  const [outer = '', inner = ''] = await units();
  expect((await runtime.runs.get(outer))?.status).toBe('running');
  expect(deliveries()).toEqual({ [inner]: [`wake_${inner}`] });
  expect(heard().at(-1)).toContain('did quick');
});

test('a conversation that wakes itself again and again waits, at maxWakes, until somebody sends it something', async () => {
  const complaints: string[] = [];
  const logger = { warn: (said: string) => void complaints.push(said), error: () => {} };
  const { runtime, lead, pass, deliveries } = openOffice({
    logger,
    maxWakes: 2,
    tool: { completion: () => 'do: send quick' },
  });
  const session = runtime.session(lead, { sessionKey: 'k' });
  await (await session.send('do: send quick')).ended;
  for (let i = 0; i < 8; i++) await pass(1);
  const woken = (await runtime.runs.list({ sentTo: 'k' })).filter(({ runId }) => runId.startsWith('wake_'));
  expect(woken).toHaveLength(2);
  expect(complaints).toContainEqual(expect.stringMatching(/woken 2 times in a row/));
  const run = await session.send('do: say hello');
  await run.ended;
  expect(Object.values(deliveries()).map(([runId]) => runId)).toEqual([
    ...woken.map(({ runId }) => runId).toReversed(),
    run.id,
  ]);
});

test('a conversation is woken as often as there is something to tell it, where nobody limits that', async () => {
  let left = 30;
  const { runtime, lead, pass } = openOffice({
    maxWakes: Number.POSITIVE_INFINITY,
    tool: { completion: () => (left-- > 0 ? 'do: send quick' : 'enough') },
  });
  const session = runtime.session(lead, { sessionKey: 'k' });
  await session.send('do: send quick');
  for (let i = 0; i < 35; i++) await pass(1);
  expect(await session.idle()).toMatchObject({ report: { text: 'noted: enough' } });
  expect(await runtime.runs.list({ sentTo: 'k' })).toHaveLength(32);
});

test('a run that was begun for what a unit has left is not begun again where the store still shows that', async () => {
  const inner = memoryStore();
  const complaints: string[] = [];
  const logger = {
    warn: (said: string, fault: { code: string }) => complaints.push(`${fault.code}: ${said}`),
    error: () => {},
  };
  let behind: Awaited<ReturnType<typeof inner.sessionInbox>> = [];
  let isBehind = false;
  const sessionInbox: typeof inner.sessionInbox = async (key) => {
    if (isBehind) {
      isBehind = false;
      return behind;
    }
    const mail = await inner.sessionInbox(key);
    if (mail.length > 0) behind = mail;
    return mail;
  };
  const { runtime, lead, pass, deliveries } = openOffice({ store: { ...inner, sessionInbox }, logger });
  const session = runtime.session(lead, { sessionKey: 'k' });
  await session.send('do: send quick; say sent');
  await pass(1);
  const { report } = await session.idle();
  isBehind = true;
  await session.runs();
  await pass(5_000);
  expect(complaints).toEqual([]);
  expect(Object.values(deliveries())).toEqual([[report?.runId]]);
});

test('what is sent while somebody is woken waits behind them: what was left is heard once [F-14]', async () => {
  const inner = memoryStore();
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const sessionInbox: typeof inner.sessionInbox = async (key) => {
    const mail = await inner.sessionInbox(key);
    asked += 1;
    if (asked === gated) await gate.promise;
    return mail;
  };
  let gated = Number.POSITIVE_INFINITY;
  const list: typeof inner.list = async (query) => {
    await settle(2);
    return inner.list(query);
  };
  const { runtime, lead, clock, deliveries } = openOffice({ store: { ...inner, sessionInbox, list } });
  const session = runtime.session(lead, { sessionKey: 'k' });
  await (await session.send('do: send quick; say sent')).ended;
  await settle(60);
  // given somebody who sends, and is told what there is to hear when another run has been begun for it
  clock.increment(1);
  gated = asked + 2;
  const sent = session.send('do: say hello');
  await settle(60);
  gate.resolve();
  const run = await sent;
  expect((await run.ended).text).toBe('hello');
  const woken = (await runtime.runs.list({ sentTo: 'k' }))[1];
  expect(woken?.runId).toMatch(/^wake_/);
  expect(Object.values(deliveries())).toEqual([[woken?.runId]]);
});

describe('a conversation that was stopped', () => {
  test('is not begun again for what was there by then: that is heard with the next run, before its first turn', async () => {
    const { runtime, lead, pass, heard, deliveries, units } = openOffice();
    const session = runtime.session(lead, { sessionKey: 'k' });
    const run = await session.send('do: send a; work 5000');
    await pass(1_000);
    await pass(10);
    await run.interrupt('enough');
    await pass(10_000);
    expect(deliveries()).toEqual({});
    expect((await runtime.runs.list({ sentTo: 'k' })).length).toBe(1);
    const next = await session.send('do: say hello');
    expect((await next.ended).text).toBe('hello');
    const [unitId = ''] = await units();
    expect(deliveries()).toEqual({ [unitId]: [next.id] });
    expect(heard().slice(-2)).toEqual(['user: do: say hello', expect.stringContaining('did a')]);
  });

  test('is begun again for what comes later [HM-152]', async () => {
    const { runtime, lead, pass, deliveries, units } = openOffice();
    const run = runtime.start(lead, 'do: send a; work 5000', { runId: 'r' });
    await pass(500);
    await run.interrupt('enough');
    const [unitId = ''] = await units();
    expect((await runtime.runs.get(unitId))?.status).toBe('running');
    await pass(500);
    expect(deliveries()).toEqual({ [unitId]: [`wake_${unitId}`] });
  });
});

test('a child that was interrupted is told of as it ended, where each is told of by itself [HM-159]', async () => {
  const { runtime, lead, pass, heard, units } = openOffice({ sending: { completions: 'each' } });
  await (await runtime.session(lead, { sessionKey: 'k' }).send('do: send hang,quick; say sent')).ended;
  const [unitId = ''] = await units();
  await (await runtime.attach(`${unitId}/1-0/0`)).interrupt('not needed');
  await pass(1);
  await pass();
  expect(heard().at(-1)).toContain(
    `[BACKGROUND INTERRUPTED: helper, ${unitId}/1-0/0]\n\nIt did not complete (interrupted)\n\n[BACKGROUND COMPLETED`,
  );
});

describe('a unit that does not complete', () => {
  test('is told as failed, with the reason, where its time is up [HM-154]', async () => {
    const { runtime, lead, pass, heard, units } = openOffice({ sending: { budget: { deadlineMs: 500 } } });
    await runtime.run(lead, 'do: send a');
    await pass(500);
    const [unitId = ''] = await units();
    expect(await runtime.runs.get(unitId)).toMatchObject({ status: 'failed', exitReason: 'timeout' });
    // what its helpers had come to by then is told, too
    expect(heard().at(-1)).toMatch(/BACKGROUND FAILED: send.*did not complete \(timeout\).*"interrupted"/s);
  });

  test.each([
    ['throws', () => Promise.reject(new Error('It broke.')), 'It broke.'],
    ['gives an error', () => ({ error: 'No such place.' }), 'No such place.'],
  ])('is told as failed where its tool %s [HM-154, L5]', async (_what, work, why) => {
    const { runtime, lead, pass, heard } = openOffice({
      tool: {
        settle: undefined,
        execute: async (_input: unknown, { view }: { view: { unit?: unknown } }) => {
          const { dispatched } = await import('@troupe/core');
          return view.unit ? work() : dispatched({ data: null, answer: () => ({ content: 'Sent.' }) });
        },
      } as never,
    });
    await runtime.run(lead, 'do: send a');
    await pass();
    expect(heard().at(-1)).toMatch(/^user: \[BACKGROUND FAILED: send, send_\w+\]\n\nIt did not complete \(error\): /);
    expect(heard().at(-1)?.split(why).length).toBe(2);
  });

  test('wakes nobody where it was interrupted, and is heard with the next run [HM-157]', async () => {
    const { runtime, lead, pass, heard, units, deliveries } = openOffice();
    const session = runtime.session(lead, { sessionKey: 'k' });
    await (await session.send('do: send a,quick')).ended;
    await pass(1);
    const [unit] = await session.units();
    expect(await unit?.interrupt('not needed')).toEqual({ status: 'accepted' });
    await pass(5_000);
    const [unitId = ''] = await units();
    expect(await runtime.runs.get(unitId)).toMatchObject({ status: 'interrupted' });
    expect((await runtime.runs.list({ sentTo: 'k' })).length).toBe(1);
    expect(await session.units()).toEqual([]);
    const next = await session.send('do: say hello');
    expect((await next.ended).text).toBe('hello');
    expect(heard().at(-1)).toMatch(/BACKGROUND INTERRUPTED.*\(interrupted\): not needed.*did quick/s);
    expect(deliveries()).toEqual({ [unitId]: [next.id] });
  });

  test('says it plainly where its tool cannot put it in words', async () => {
    const complaints: unknown[] = [];
    const logger = { warn: (...said: unknown[]) => complaints.push(said[0]), error: () => {} };
    const { runtime, lead, pass, heard } = openOffice({
      logger,
      tool: {
        completion: () => {
          throw new Error('No words.');
        },
      },
    });
    await runtime.run(lead, 'do: send a');
    await pass(1_000);
    expect(heard().at(-1)).toContain('[BACKGROUND COMPLETED: send');
    expect(complaints).toEqual(['The completion of "send" threw.']);
  });

  test('says what its tool says, and when [HM-155]', async () => {
    const { runtime, lead, pass, heard } = openOffice({
      tool: { completion: (end) => JSON.stringify({ ...end, runId: end.runId.slice(0, 5) }) },
    });
    await pass(50);
    await runtime.run(lead, 'do: send a,fail');
    await pass(1_000);
    expect(JSON.parse(heard().at(-1)?.slice('user: '.length) ?? '')).toEqual({
      runId: 'send_',
      status: 'completed',
      exitReason: 'answered',
      data: [
        { status: 'completed', text: 'did a' },
        { status: 'failed', text: 'The model is down.' },
      ],
      text: expect.stringContaining('did a'),
      dispatchedAt: 50,
      endedAt: 1_050,
    });
  });
});
