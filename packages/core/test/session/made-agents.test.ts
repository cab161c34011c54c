import { createRuntime, defineAgent, defineTool, memoryStore, spawned } from '@troupe/core';
import { isEnded, type JSONValue, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, type Death, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { lives, play } from '../background/lives.ts';
import { openOffice } from '../background/office.ts';
import { workersIn } from './workers.ts';

const secret = 'sk-abcdefgh12345678';

describe('an agent that was made of data', () => {
  test('is made once, however much was said, here and where it is read', async () => {
    const store = memoryStore();
    const made = { here: 0, there: 0 };
    const open = (where: keyof typeof made) => {
      const runtime = createRuntime({ provider: scriptedProvider(() => 'well'), model: 'm', store });
      const make = runtime.defineAgents('workers', () => {
        made[where] += 1;
        return defineAgent({ name: 'worker', instructions: 'Be kind.' });
      });
      return { runtime, session: runtime.session(make({}), { sessionKey: 'k' }) };
    };
    const here = open('here');
    for (let i = 0; i < 20; i++) await (await here.session.send('hello')).ended;
    const there = open('there');
    await there.session.runs();
    expect(there.session.messages).toEqual(here.session.messages);
    expect(there.session.messages).toHaveLength(41);
    expect(made).toEqual({ here: 1, there: 1 });
    await here.runtime.close();
    await there.runtime.close();
  });

  test('is stored with its runs as maker and data, not by its name: names need not be unique', async () => {
    const office = openOffice();
    const { runtime, heard } = office;
    const make = workersIn(office);
    const [kind, stern] = [make({ says: 'Be kind.' }), make({ says: 'Be stern.' })];
    for (const [runId, agent] of [
      ['r1', kind],
      ['r2', stern],
    ] as const) {
      await runtime.run(agent, 'hello', { runId });
      expect(heard()[0]).toBe(`system: ${agent.instructions}`);
    }
    expect(await runtime.runs.get('r1')).toMatchObject({
      agent: 'worker',
      made: { maker: 'workers', data: { says: 'Be kind.' } },
      fingerprint: expect.any(String),
    });
    // and the name is free for one that is registered by it
    const plain = defineAgent({ name: 'worker', instructions: 'Be plain.', memoryScope: null });
    await runtime.run(plain, 'hello', { runId: 'r3' });
    expect(heard()[0]).toBe('system: Be plain.');
    expect(await runtime.runs.get('r3')).not.toHaveProperty('made');
    // a handle of a run that has ended knows it for what it was
    for (const run of [runtime.start(stern, 'hello', { runId: 'r2' }), await runtime.attach('r2')])
      expect((await run.report).messages[0]?.content).toBe('Be stern.');
  });

  test('is started once under an id: with other data it is another one', async () => {
    const office = openOffice();
    const make = workersIn(office);
    const { runtime } = office;
    const plain = defineAgent({ name: 'worker', instructions: 'Be kind.', memoryScope: null });
    const data = { says: `Be kind to ${secret}.`, name: 'worker' };
    const run = runtime.start(make(data), 'do: think 10', { runId: 'r' });
    expect(runtime.start(make({ name: 'worker', says: data.says }), 'do: think 10', { runId: 'r' }).id).toBe(run.id);
    for (const other of [make({ says: 'Be stern.' }), plain])
      expect(() => runtime.start(other, 'do: think 10', { runId: 'r' })).toThrow(
        expect.objectContaining({ code: 'run.exists' }),
      );
    await run.interrupt();
    expect(runtime.start(make(data), 'do: think 10', { runId: 'r' }).status).toBe('interrupted');
    expect(() => runtime.start(make({}), 'do: think 10', { runId: 'r' })).toThrow('exists');
  });

  test('leaves alone what its maker was given and gives', async () => {
    const { runtime, lead } = openOffice();
    const asLead = runtime.defineAgents('leads', () => lead);
    const greedy = runtime.defineAgents('greedy', (data) => {
      (data as { says: string }).says += ' Always.';
      return defineAgent({ name: 'greedy', instructions: (data as { says: string }).says, memoryScope: null });
    });
    const [one, two] = [asLead({ n: 1 }), asLead({ n: 2 })];
    await runtime.run(one, 'hello', { runId: 'r1' });
    await runtime.run(two, 'hello', { runId: 'r2' });
    await runtime.run(lead, 'hello', { runId: 'r3' });
    const data = { says: 'Be kind.' };
    await runtime.run(greedy(data), 'hello', { runId: 'r4' });
    expect(data).toEqual({ says: 'Be kind.' });
    expect(await Promise.all(['r1', 'r2', 'r3', 'r4'].map(async (id) => (await runtime.runs.get(id))?.made))).toEqual([
      { maker: 'leads', data: { n: 1 } },
      { maker: 'leads', data: { n: 2 } },
      undefined,
      { maker: 'greedy', data: { says: 'Be kind.' } },
    ]);
  });

  test('has one maker of a name, and comes to nothing where that throws', () => {
    const { runtime } = openOffice();
    const make = runtime.defineAgents('workers', (data) => defineAgent({ name: String(data), instructions: '' }));
    expect(() => runtime.defineAgents('workers', () => defineAgent({ name: 'a', instructions: '' }))).toThrow(
      expect.objectContaining({ code: 'agent.duplicate', message: expect.stringContaining('"workers"') }),
    );
    expect(() => make('')).toThrow(expect.objectContaining({ code: 'agent.invalid' }));
  });
});

test('a runtime says what it was made with, for what is built on top of it', async () => {
  const { clock, provider } = openOffice();
  const memory = memoryStore();
  const complaints: string[] = [];
  const logger = { warn: (said: string) => void complaints.push(said), error: () => {} };
  const ids = { next: (kind: string) => `${kind}-1` };
  const { environment } = createRuntime({ provider, model: 'm', clock, ids, logger, memory });
  expect(environment).toMatchObject({ clock, ids });
  await environment.memory.write('here', 'a', 1);
  expect(memory.read('here', 'a')).toBe(1);
  environment.logger.warn('Mind the gap.', { code: 'x', message: 'x', retryable: false });
  expect(complaints).toEqual(['Mind the gap.']);
});

describe('killed after any of its commits and brought back, a program goes on with agents that it made of data [F-13, L7]', () => {
  test.each([
    ['in a session', 'do: work 150; think 150'],
    ['that send work into the background', 'do: send a; work 150'],
    ['that ask a person', 'do: ask'],
  ])('%s', { timeout: 30_000 }, async (_what, plan) => {
    const run = async (death?: Death) => {
      const world = lives();
      const first = world.live(death);
      const make = workersIn(first);
      const session = first.runtime.session(make({ says: 'Be kind.' }), { sessionKey: 'k' });
      void session.send(plan, { runId: 'r1' });
      void session.send(plan, { runId: 'r2', agent: make({ says: 'Be stern.' }) });
      const go = async ({ runtime, mortal }: ReturnType<typeof world.live>) => {
        for (let round = 0; round < 4; round++) {
          await play(world, mortal);
          if (mortal.dead) return;
          for (const runId of ['r1', 'r2'])
            for (const { id } of world.store.get(runId) ? (await runtime.attach(runId)).questions : [])
              await Promise.race([runtime.answer(id, true), settle()]);
        }
      };
      await go(first);
      const { dead, commits } = first.mortal;
      if (dead) {
        const second = world.live();
        const again = workersIn(second);
        expect((await second.runtime.recover()).skipped).toEqual([]);
        // what was not stored is sent again
        for (const [runId, says] of [
          ['r1', 'Be kind.'],
          ['r2', 'Be stern.'],
        ] as const)
          if (!world.store.get(runId))
            void second.runtime
              .session(again({ says }), { sessionKey: 'k' })
              .send(plan, { runId, agent: again({ says }) });
        await go(second);
      }
      return { ...world, commits };
    };
    const calm = await run();
    const essence = ({ rows }: typeof calm) => {
      const roots = rows().filter(({ parentId }) => parentId === undefined);
      const said = roots.map(({ runId, agent, status, exitReason, made, usage: { turns } }) =>
        // Of two letters each may have begun a run, or one of them.
        runId.startsWith('wake_') ? { agent, status, made } : { runId, agent, status, exitReason, made, turns },
      );
      return [...new Set(said.map((row) => JSON.stringify(row)))].sort();
    };
    expect(calm.rows().every(({ status }) => status === 'completed')).toBe(true);
    expect(calm.commits).toBeGreaterThan(3);
    for (let afterCommit = 1; afterCommit <= calm.commits; afterCommit++)
      for (const as of ['heard', 'unheard'] as const) {
        const found = await run({ afterCommit, as });
        const why = `after commit ${afterCommit} (${as})`;
        expect([why, essence(found)]).toEqual([why, essence(calm)]);
        expect([why, checkRunLaws(found.stored())]).toEqual([why, []]);
        expect(found.store.sessionInbox()).toEqual([]);
      }
  });
});

/** A run of a made agent, whose process has died. */
const left = async (data: JSONValue = { says: 'Be kind.' }) => {
  const world = lives();
  const first = world.live();
  first.runtime.start(workersIn(first)(data), 'do: work 100', { runId: 'r' });
  await settle();
  first.mortal.die();
  return world;
};

describe('a run of a made agent that is brought back', () => {
  test('fails where nobody has defined its maker, and says which', async () => {
    const world = await left();
    const { runtime } = world.live();
    // until it is lost for good it waits for whoever can make it
    expect(await (await runtime.attach('r')).steer('Go on.')).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('made by the maker "workers", which is not defined here: call defineAgents'),
    });
    await runtime.recover();
    expect(await (await runtime.attach('r')).ended).toMatchObject({
      exitReason: 'agent_unknown',
      fault: {
        message:
          'Run "r" is of agent "worker", which is not known here: it was made by the maker "workers", which is not defined here: call defineAgents("workers", …) first.',
      },
    });
  });

  test('fails where its maker throws, and says what', async () => {
    const world = await left();
    const { runtime } = world.live();
    runtime.defineAgents('workers', () => {
      throw new Error(`The model is not offered any more. ${secret}`);
    });
    await runtime.recover();
    expect(await (await runtime.attach('r')).ended).toMatchObject({
      exitReason: 'agent_unknown',
      fault: {
        message: expect.stringMatching(/its maker "workers" threw: The model is not offered any more. \[redacted]/),
      },
    });
  });

  test.each(['refuse', 'continue'] as const)(
    'from the same data in another way, it is another one: %s',
    async (onAgentChanged) => {
      const world = await left();
      const second = world.live(undefined, { onAgentChanged });
      workersIn(second, { settings: { temperature: 1 } });
      await second.runtime.recover();
      await second.pass(100);
      expect(await (await second.runtime.attach('r')).ended).toMatchObject(
        onAgentChanged === 'refuse' ? { exitReason: 'agent_changed' } : { exitReason: 'answered' },
      );
    },
  );

  test('goes on with data that has lost a secret, which is stored nowhere [B-40]', async () => {
    const world = await left({ says: `Use ${secret}.` });
    expect(world.store.get('r')).toMatchObject({ made: { data: { says: 'Use [redacted].' } } });
    expect(world.store.get('r')).not.toHaveProperty('fingerprint');
    expect(JSON.stringify([world.rows(), world.stored(), [...(world.store.journal('r') as [])]])).not.toContain(secret);
    const second = world.live();
    workersIn(second);
    await second.runtime.recover();
    await second.pass(100);
    expect((await (await second.runtime.attach('r')).ended).status).toBe('completed');
    expect(second.heard()[0]).toBe('system: Use [redacted].');
  });

  test('and so does a child that a tool has started without saying how it is made again', async () => {
    const world = lives();
    const boot = () => {
      const office = world.live(undefined, { known: false });
      const make = workersIn(office);
      const start = defineTool({
        name: 'send',
        description: 'Starts somebody.',
        inputSchema: z.object({ jobs: z.array(z.string()) }),
        execute: () => spawned([{ agent: make({ says: 'Be kind.' }), job: 'do: work 100; say so' }]),
        settle: ([report]) => ({ content: report?.text ?? 'nothing' }),
      });
      const boss = office.runtime.defineAgents('bosses', () =>
        defineAgent({ name: 'boss', instructions: '', memoryScope: null, tools: [start] }),
      );
      return { ...office, boss: boss(null) };
    };
    const first = boot();
    first.runtime.start(first.boss, 'do: send somebody', { runId: 'r' });
    await settle();
    expect(world.store.get('r/1-0/0')).toMatchObject({ made: { maker: 'workers' } });
    first.mortal.die();
    const second = boot();
    await second.runtime.recover();
    await second.pass(100);
    expect((await (await second.runtime.attach('r')).ended).calls).toMatchObject([{ tool: 'send', result: 'so' }]);
  });

  test('is replayed and forked like any other', async () => {
    const office = openOffice({ open: true });
    const { runtime, events, pass } = office;
    const make = workersIn(office);
    const session = runtime.session(make({ says: 'Be kind.' }), { sessionKey: 'k' });
    await (await session.send('do: say one', { runId: 'r1' })).ended;
    const origin = { runId: 'asker', rootId: 'asker', callId: 'c', sessionKey: 'asked' };
    const run = await session.send('do: say two', { runId: 'r2', agent: make({ says: 'Be stern.' }), origin });
    await run.ended;
    expect((await runtime.replay('r2')).steps.length).toBeGreaterThan(1);
    const turn = events.find(({ type, runId }) => type === 'turn.completed' && runId === 'r2') as RunEvent & {
      id: string;
    };
    const fork = await runtime.fork('r2', { at: turn.id });
    await pass();
    expect((await fork.ended).status).toBe('completed');
    const { made, ...row } = (await runtime.runs.get(fork.id)) as RunRow;
    expect(made).toEqual({ maker: 'workers', data: { says: 'Be stern.' } });
    for (const key of ['origin', 'after', 'sessionKey']) expect(row).not.toHaveProperty(key);
    expect(office.heard()[0]).toBe('system: Be stern.');
  });
});

describe('a session with agents of one maker', () => {
  test('is with whoever was sent something last, and refuses agents of others', async () => {
    const office = openOffice();
    const { runtime, heard } = office;
    const make = workersIn(office);
    const [kind, stern] = [make({ says: 'Be kind.' }), make({ says: 'Be stern.' })];
    const session = runtime.session(kind, { sessionKey: 'k' });
    const send = async (job: string, options = {}): Promise<string | undefined> => {
      await (await session.send(job, options)).ended;
      return heard()[0];
    };
    expect(await send('one')).toBe('system: Be kind.');
    expect(await send('two', { agent: stern })).toBe('system: Be stern.');
    expect(await send('three')).toBe('system: Be stern.');
    expect(heard().map((said) => said.replace(/: noted.*/, ''))).toEqual([
      'system: Be stern.',
      'user: one',
      'assistant',
      'user: two',
      'assistant',
      'user: three',
    ]);
    expect(runtime.session(kind, { sessionKey: 'k' })).toBe(session);
    expect(await send('four')).toBe('system: Be kind.');
    const other = runtime.defineAgents('others', () => defineAgent({ name: 'other', instructions: '' }))(null);
    for (const agent of [other, office.lead])
      await expect(session.send('five', { agent })).rejects.toMatchObject({ code: 'session.invalid' });
    expect(() => runtime.session(other, { sessionKey: 'k' })).toThrow(
      expect.objectContaining({ code: 'session.invalid' }),
    );
    // whoever was not sent anything after all does not become its agent
    await expect(session.send('six', { agent: stern, runId: 'a/b' })).rejects.toMatchObject({ code: 'run.invalid' });
    expect(await send('seven')).toBe('system: Be kind.');
    await expect(send('eight', { runId: 'r8' })).resolves.toBe('system: Be kind.');
    await (await session.send('nine', { agent: stern, runId: 'r9' })).ended;
    // what was sent before is there, and changes nothing
    expect((await session.send('eight', { agent: kind, runId: 'r8' })).status).toBe('completed');
    expect(await send('ten')).toBe('system: Be stern.');
  });

  test('tells agents that say the same by what they were made of', async () => {
    const office = openOffice();
    const { runtime, provider } = office;
    const asked: string[] = [];
    const make = runtime.defineAgents('workers', (data) =>
      defineAgent({
        name: 'worker',
        instructions: '',
        memoryScope: null,
        provider: {
          takeTurn: (request, options) => {
            asked.push(String(data));
            return provider.takeTurn(request, options);
          },
        },
      }),
    );
    const session = runtime.session(make('a'), { sessionKey: 'k' });
    for (const agent of [make('a'), make('b'), undefined, make('a')])
      await (await session.send('hello', { ...(agent && { agent }) })).ended;
    expect(asked).toEqual(['a', 'b', 'b', 'a']);
    expect((await runtime.runs.list({ sentTo: 'k' })).map(({ made }) => made)).toEqual(
      ['a', 'b', 'b', 'a'].toReversed().map((data) => ({ maker: 'workers', data })),
    );
  });

  test.each([
    ['recovered', 'oldest first'],
    ['recovered', 'newest first'],
    ['used', 'opened by another'],
  ])('is with the newest agent after a restart, or whoever it is opened with: %s, %s', async (_how, order) => {
    const world = lives();
    const first = world.live();
    const make = workersIn(first);
    const session = first.runtime.session(make({ says: 'Be kind.' }), { sessionKey: 'k' });
    await session.send('do: work 100', { runId: 'r1' });
    await session.send('do: send quick', { runId: 'r2', agent: make({ says: 'Be stern.' }) });
    await settle();
    first.mortal.die();
    const second = world.live();
    const again = workersIn(second);
    if (order === 'newest first') await (await second.runtime.attach('r2')).steer('Mind.');
    if (order === 'opened by another') second.runtime.session(again({ says: 'Be brief.' }), { sessionKey: 'k' });
    expect((await second.runtime.recover()).skipped).toEqual([]);
    for (let i = 0; i < 6; i++) await second.pass(100);
    expect(world.rows().every(({ status }) => isEnded(status))).toBe(true);
    const [woken] = world.store.list({ sentTo: 'k', limit: 1 }) as RunRow[];
    expect(woken).toMatchObject({
      runId: expect.stringMatching(/^wake_/),
      made: { data: { says: order === 'opened by another' ? 'Be brief.' : 'Be stern.' } },
    });
    expect((world.store.get('r1') as RunRow).made).toEqual({ maker: 'workers', data: { says: 'Be kind.' } });
    expect((world.store.get('r2') as RunRow).made).toEqual({ maker: 'workers', data: { says: 'Be stern.' } });
    const asked = second.provider.requests.map(({ request }) => String(request.messages[0]?.content));
    expect(asked.filter((says) => says.startsWith('Be'))).toEqual([
      'Be kind.',
      'Be stern.',
      'Be stern.',
      order === 'opened by another' ? 'Be brief.' : 'Be stern.',
    ]);
  });

  test('is woken by the agent of its newest run, also where another process has sent it', async () => {
    const world = lives();
    const [here, there] = [world.live(), world.live()];
    const make = workersIn(here);
    workersIn(there);
    const session = here.runtime.session(make({ says: 'Be kind.' }), { sessionKey: 'k' });
    for (const says of ['Be stern.', 'Be brief.']) {
      await (await session.send('hello', { agent: make({ says }) })).ended;
      const message = { type: 'deliver', text: 'Wake up.', rootId: '', wakes: true };
      void world.store.post({ id: says, runId: says, sessionKey: 'k', at: 0, message });
      // when nobody has opened it there but to wake it
      await there.runtime.recover();
      await there.pass();
      expect(there.heard()[0]).toBe(`system: ${says}`);
    }
  });

  test('that nobody here can make an agent for waits for its maker', async () => {
    const world = lives();
    const first = world.live();
    const session = first.runtime.session(workersIn(first)({ says: 'Be kind.' }), { sessionKey: 'k' });
    await (await session.send('hello')).ended;
    await session.deliver({ id: 'a', text: 'later', wakes: false });
    await session.deliver({ id: 'b', text: 'now', wakes: true });
    first.mortal.die();
    await first.pass();
    const complaints: unknown[] = [];
    const logger = { warn: (...said: unknown[]) => complaints.push(said), error: () => {} };
    const second = world.live(undefined, { logger });
    await second.runtime.recover();
    await second.pass();
    await second.pass(100_000);
    expect(complaints).toEqual([
      [
        'What was left for session "k" could not be delivered just now.',
        expect.objectContaining({
          message: expect.stringMatching(
            /^Session "k" goes on with nobody: .* agent "worker", .* made by the maker "workers", which is not defined/,
          ),
        }),
      ],
    ]);
    second.runtime.defineAgents('others', () => defineAgent({ name: 'other', instructions: '' }));
    await second.pass();
    expect(world.store.sessionInbox()).toHaveLength(2);
    workersIn(second);
    await second.pass();
    expect(world.store.sessionInbox()).toEqual([]);
    expect(second.heard()[0]).toBe('system: Be kind.');
    expect(second.heard().at(-1)).toBe('user: later\n\nnow');
  });
});
