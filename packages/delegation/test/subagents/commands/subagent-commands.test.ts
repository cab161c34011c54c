import { memoryStore } from '@troupe/core';
import { createSubagentCommands } from '@troupe/delegation';
import { describe, expect, test } from 'vitest';
import { type Office, openOffice, pass, settle } from '../office.ts';

const chat = {
  sessionKey: 'telegram_main_7',
  channel: 'telegram:main',
  metadata: { chat_id: 7, chat_type: 'private' },
  replyTo: 'm1',
};
const stranger = { ...chat, sessionKey: 'telegram_main_8', metadata: { chat_id: 8, chat_type: 'private' } };
const program = { sessionKey: null, channel: null };

/** An office with somebody who gives commands. Without a sender it is the chat. */
const openChat = (options: Parameters<typeof openOffice>[0] = {}) => {
  const office = openOffice(options);
  const commands = createSubagentCommands(office.manager);
  const say = async (text: string, sender: Parameters<typeof commands.handle>[0]['sender'] = chat) => {
    const reply = await commands.handle({ text, sender });
    await settle();
    return reply;
  };
  return { ...office, say };
};
const idIn = (reply: string | null): string => /^ID: (\S+)$/m.exec(reply ?? '')?.[1] ?? '';
const requests = ({ provider }: Pick<Office, 'provider'>) => provider.requests.length;

describe('a command of a person', () => {
  test('is one only if it begins with /subagents or /agents [SB-150]', async () => {
    const { say } = openChat();
    expect(await say('Which agents are there?')).toBeNull();
    expect(await say('/subagents')).toBe('No sub-agents spawned.');
    expect(await say('/agents ls')).toBe('No sub-agents spawned.');
    expect(await say('/agents help')).toMatch(/^Commands for sub-agents/);
    expect(await say('/agents dance')).toMatch(/^Usage: \/subagents \[list\|/);
  });

  test('is ignored where the chat may give none, and says what is not there [SB-150]', async () => {
    const { manager } = openOffice();
    let hasAgent = false;
    const commands = createSubagentCommands<typeof chat>(manager, {
      authorise: async ({ metadata }) => metadata.chat_id === 7,
      hasAgent: () => hasAgent,
    });
    const none = createSubagentCommands(null, { authorise: ({ sessionKey }) => sessionKey !== 'telegram_main_8' });
    expect(await commands.handle({ text: '/agents', sender: stranger })).toBeNull();
    expect(await none.handle({ text: '/agents', sender: stranger })).toBeNull();
    expect(await commands.handle({ text: '/agents', sender: chat })).toBe('Agent not available.');
    expect(await none.handle({ text: '/agents', sender: chat })).toBe('Sub-agent manager not available.');
    expect(await none.handle({ text: 'hello', sender: chat })).toBeNull();
    hasAgent = true;
    expect(await commands.handle({ text: '/agents', sender: chat })).toBe('No sub-agents spawned.');
    await manager.close();
    expect(await commands.handle({ text: '/agents spawn Go.', sender: chat })).toBe('Sub-agent manager not available.');
  });

  test('says whether it worked to programs that carry it out [SB-150]', async () => {
    const { manager } = openOffice();
    const commands = createSubagentCommands(manager);
    const status = async (text: string, sender = chat) => (await commands.carryOut({ text, sender }))?.status ?? null;
    expect(await status('hello')).toBeNull();
    for (const text of ['/agents', '/agents help', '/agents spawn hang on', '/agents cancel all'])
      expect(await status(text), text).toBe('done');
    for (const text of ['/agents dance', '/agents spawn', '/agents spawn --mode never x'])
      expect(await status(text), text).toBe('misused');
    for (const verb of ['cancel sub_x', 'steer sub_x hurry', 'info sub_x', 'resume x go'])
      expect(await status(`/agents ${verb}`), verb).toBe('refused');
    await manager.close();
    expect(await status('/agents spawn Go.')).toBe('refused');
    const none = createSubagentCommands(null, { hasAgent: () => false });
    expect((await none.carryOut({ text: '/agents', sender: chat }))?.status).toBe('refused');
  });

  test('lists what its own session has asked for, at work and ended [SB-151]', async () => {
    const { say, clock } = openChat();
    await say('/agents spawn count the files');
    await say('/agents spawn hang on');
    await say('/agents spawn hang elsewhere', stranger);
    clock.increment(3_000);
    expect((await say('/agents list'))?.replaceAll(/sub_\w+/g, 'ID')).toBe(
      [
        'Sub-agents (2 total):',
        'Active:',
        '- ID hang on: running — 3s [m]',
        'Recent:',
        '- ID count the files: completed — 0s [m]',
      ].join('\n'),
    );
    expect(await say('/agents list', program)).toMatch(/^Sub-agents \(3 total\):/);
  });

  test('lists names, and how many below are at work [SB-151]', async () => {
    const { say, manager } = openChat();
    const id = idIn(await say('/agents spawn --name nina --routing orchestrated hang on'));
    await manager.spawn({ task: 'hang below', parentId: id });
    await settle();
    expect(await say('/agents')).toMatch(/hang on: running — 0s \[m\] \[session:nina\] \+1 descendant$/m);
  });

  test('spawns with what its flags say [SB-152] [SB-153] [SB-154]', async () => {
    const { say, manager } = openChat();
    const reply = await say(
      '/subagents spawn --model big --thinking=deep --skills on --mode session --name nina --cleanup keep --routing orchestrated --auto-route --keywords weekly status, report --specialization reports of the week -- Write it.',
    );
    const id = idIn(reply);
    expect(reply).toBe(
      [
        'Sub-agent spawned!',
        `ID: ${id}`,
        'Label: Write it.',
        'Model: big',
        'Thinking: extended',
        'Skills: ON',
        'Mode: session [nina]',
        'Specialization: reports of the week',
        'Keywords: weekly status, report',
        'Nested spawn: on',
      ].join('\n'),
    );
    expect(await manager.info(id)).toMatchObject({
      task: 'Write it.',
      name: 'nina',
      config: {
        model: 'big',
        thinking: 'extended',
        skills: true,
        routing: 'orchestrated',
        autoRoute: true,
        mode: 'session',
      },
    });
    expect(await say('/agents spawn count')).toMatch(/^Skills: inherit\nMode: run\nNested spawn: off$/m);
  });

  test('spawns nothing that it could not have meant [SB-152] [SB-153]', async () => {
    const office = openChat({ manager: { maxTotal: 2 } });
    const { say } = office;
    await say('/agents spawn --name nina hang on');
    const [asked, told] = [requests(office), office.told.length];
    expect(await say('/agents spawn --mode forever Go.')).toMatch(/^Invalid --mode: /);
    expect(await say('/agents spawn --name "no name" Go.')).toMatch(/^Failed to spawn sub-agent: .*letters, digits/);
    expect(await say('/agents spawn --model x')).toMatch(/^Usage: \/subagents spawn /);
    expect(await say('/agents spawn --mode session Go.')).toMatch(/^Failed to spawn sub-agent: .*name/);
    expect(await say('/agents spawn --name nina Go.')).toMatch(/^Failed to spawn sub-agent: .*already exists/);
    expect([requests(office), office.told.length]).toEqual([asked, told]);
    await say('/agents spawn hang too');
    expect(await say('/agents spawn hang there')).toMatch(/^Failed to spawn sub-agent: Max total/);
    expect(requests(office)).toBe(asked + 1);
  });

  test('spawns on behalf of its chat: session, channel, metadata and reply target [SB-159]', async () => {
    const { say, manager } = openChat({
      manager: { requester: { channel: 'other', metadata: { a: 1 }, replyTo: 'm9' } },
    });
    const id = idIn(await say('/agents spawn hang on'));
    expect((await manager.info(id))?.requester).toEqual(chat);
  });

  test('leaves nothing of another channel in what it spawns where its own is null [B-10]', async () => {
    const office = openChat({
      manager: { requester: { channel: 'telegram:main', metadata: { a: 1 }, replyTo: 'm9' } },
    });
    const { say, manager, runtime } = office;
    manager.bind({ sessionKey: 's2', channel: 'telegram:main', metadata: { a: 1 }, replyTo: 'm9' });
    const id = idIn(await say('/agents spawn count the files', { sessionKey: 's2', channel: null }));
    expect((await manager.info(id))?.requester).toEqual({
      sessionKey: 's2',
      channel: null,
      metadata: {},
      replyTo: null,
    });
    expect(await runtime.runs.list({ sentTo: 's2' })).toEqual([]);
    expect(await manager.collect({ sessionKey: 's2' })).toMatchObject([
      { agentId: id, result: 'done: count the files' },
    ]);
  });

  test('lets a named one go on with its conversation [SB-155]', async () => {
    const { say, provider } = openChat();
    const id = idIn(await say('/agents spawn --name nina count the files'));
    expect(await say('/agents resume nina count  again')).toBe(
      ['Session agent resumed!', 'Name: nina', `ID: ${id}`, 'Task: count again', 'Session history is preserved.'].join(
        '\n',
      ),
    );
    const heard = provider.requests.map(({ request }) => request.messages.map(({ content }) => content));
    expect(heard.some((said) => said.includes('count the files') && said.includes('count  again'))).toBe(true);
    expect(await say('/agents resume nina')).toMatch(/^Usage: \/subagents resume <name> <task>$/);
    expect(await say('/agents resume nobody go')).toMatch(
      /^Failed to resume agent: No session-mode agent named "nobody"/,
    );
    expect(await say('/agents resume nina go', stranger)).toMatch(
      /^Failed to resume agent: No session-mode agent named/,
    );
    await say('/agents resume nina hang on');
    expect(await say('/agents resume nina go')).toMatch(/^Failed to resume agent: .*running/);
  });

  test('stops one with everything below, or all, of its own session [SB-156]', async () => {
    const { say, manager } = openChat();
    const id = idIn(await say('/agents spawn --routing orchestrated hang on'));
    await manager.spawn({ task: 'hang below', parentId: id });
    await settle();
    expect(await say(`/agents cancel ${id}`, stranger)).toBe(`Sub-agent ${id} not found or already finished.`);
    expect(await manager.status()).toMatchObject({ byState: { running: 2 } });
    expect(await say(`/agents cancel ${id}`)).toBe(`Cancellation requested for sub-agent ${id} and 1 descendant.`);
    expect(await say(`/agents kill ${id}`)).toBe(`Sub-agent ${id} not found or already finished.`);
    const other = idIn(await say('/agents spawn hang on'));
    expect(await say(`/agents kill ${other}`)).toBe(`Cancellation requested for sub-agent ${other}.`);
    for (const task of ['hang a', 'hang b']) await say(`/agents spawn ${task}`);
    await say('/agents spawn hang c', stranger);
    expect(await say('/agents cancel all')).toBe('Cascade cancellation requested for 2 sub-agents.');
    expect(await manager.status()).toMatchObject({ byState: { running: 1, cancelled: 5 } });
    expect(await say('/agents cancel')).toBe('Usage: /subagents cancel <id|all>');
  });

  test('steers one of its own session [SB-157]', async () => {
    const office = openChat();
    const { say, told } = office;
    const id = idIn(await say('/agents spawn hang on'));
    expect(await say(`/agents steer ${id} hang elsewhere`, stranger)).toBe(`Sub-agent ${id} not found.`);
    const reply = await say(`/agents steer ${id} hang elsewhere`);
    expect(reply).toBe(`Steer accepted!\nID: ${id}\nLabel: hang on\nNew run: ${told.at(-1)?.runId}`);
    await pass(office, 500);
    expect(await say(`/agents steer ${id} count`)).toMatch(/^Rate limited: .*Try again in 1\.5s/);
    await pass(office, 1_500);
    expect(await say(`/agents steer ${id} count`)).toMatch(/^Steer accepted!/);
    expect(await say(`/agents steer ${id} count`)).toMatch(/^Cannot steer: .*completed/);
    expect(await say(`/agents steer ${id}`)).toBe('Usage: /subagents steer <id> <message>');
  });

  test('asks for what is known of one of its own session [SB-158]', async () => {
    const { say } = openChat();
    const id = idIn(await say('/agents spawn --specialization files -- count the files'));
    const info = await say(`/agents info ${id}`);
    for (const line of [
      `Sub-agent ${id}`,
      'State: completed',
      'Task: count the files',
      'Depth: 1',
      'Model: m',
      'Tool profile: core',
      'Specialization: files',
      'Routing mode: direct',
      'Skills: OFF (inherited)',
      'Children: none',
      'Result: done: count the files',
    ])
      expect(info?.split('\n')).toContain(line);
    expect(info).toMatch(/^Tokens: \d+ total \(\d+ in, \d+ out\)$/m);
    const failed = idIn(await say('/agents spawn fail now'));
    expect(await say(`/agents info ${failed}`)).toMatch(/^State: failed$.*^Error: .*It is down\./ms);
    expect(await say(`/agents info ${id}`, stranger)).toBe(`Sub-agent ${id} not found.`);
    expect(await say('/agents info sub_nobody')).toBe('Sub-agent sub_nobody not found.');
  });

  test.each<[text: string, answer: string]>([
    ['/agents', 'Failed to list sub-agents: The disk is full.'],
    ['/agents spawn Go.', 'Failed to spawn sub-agent: The disk is full.'],
    ['/agents resume nina Go.', 'Failed to resume agent: The disk is full.'],
    ['/agents cancel sub_1', 'Failed to cancel: The disk is full.'],
    ['/agents cancel all', 'Failed to cancel: The disk is full.'],
    ['/agents steer sub_1 Go.', 'Steer failed: Sub-agent sub_1 was not steered: The disk is full.'],
    ['/agents info sub_1', 'Failed to look it up: The disk is full.'],
  ])('says what went wrong where sub-agents cannot be read: %s [SB-150]', async (text, answer) => {
    const memory = { ...memoryStore(), search: () => Promise.reject(new Error('The disk is full.')) };
    const { say } = openChat({ memory });
    expect(await say(text)).toBe(answer);
    expect(await say('/agents help')).toMatch(/^Commands for sub-agents/);
  });

  test('says why a sub-agent could not be started [SB-153]', async () => {
    const memory = { ...memoryStore(), write: () => Promise.reject(new Error('The disk is full.')) };
    const { say } = openChat({ memory });
    expect(await say('/agents spawn Go.')).toBe('Failed to spawn sub-agent: The disk is full.');
    expect(await say('/agents')).toBe('No sub-agents spawned.');
  });
});
