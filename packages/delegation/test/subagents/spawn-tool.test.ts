import { createRuntime, memoryStore } from '@troupe/core';
import { exploreCrashes, type Life, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createSpawnTool } from '../../src/subagents/create-spawn-tool.ts';
import { createSubagentManager } from '../../src/subagents/create-subagent-manager.ts';
import type { SubagentManager } from '../../src/subagents/subagent-manager.ts';
import { leadWith, offeredTo, open, requestsOf, settle } from '../delegating.ts';
import { errorIn, idIn, lastSeenBy, openSpawning, runIn, type Spawning, taskOf, turnOf } from './spawning.ts';

/** Results for this conversation are collected, not pushed. */
const pulls = ({ manager }: Spawning, sessionKey = 'chat') =>
  manager.bind({ sessionKey, channel: null, metadata: {}, replyTo: null });

const spawn = (task: string, more: Record<string, unknown> = {}) => ({ action: 'spawn', task, ...more });

/** What the lead of a conversation was woken with. */
const mailIn = (troupe: Spawning, sessionKey = 'chat'): string[] =>
  troupe
    .session(sessionKey)
    .messages.flatMap(({ role, content }) =>
      role === 'user' && String(content).startsWith('[Sub-agent') ? String(content) : [],
    );

describe('a call of spawn', () => {
  test('without an action tells how the sub-agents stand; an unknown one is refused with all there are [SB-130]', async () => {
    const { call } = openSpawning();
    expect(await call({})).toEqual({ text: 'No sub-agents have been spawned.', status: 'ok' });
    expect(await call({ action: '' })).toMatchObject({ status: 'ok' });
    const unknown = await call({ action: 'fork' });
    expect(unknown.status).toBe('error');
    expect(errorIn(unknown)).toMatch(/^Error: Unknown action "fork": choose one of spawn, list_roles, resume, status,/);
  });

  test('before there is a manager says so [SB-130]', async () => {
    const tool = createSpawnTool(() => undefined);
    const troupe = open({ lead: [{ calls: [{ name: 'spawn', arguments: {} }] }, 'Done.'] });
    const { calls } = await troupe.runtime.run(leadWith(tool), 'Go.');
    expect(errorIn({ text: calls[0]?.result ?? '' })).toBe('Error: The sub-agent manager is not initialized.');
  });

  test('reaches the manager that the tool was given, be it there already', async () => {
    const troupe = open({ lead: [{ calls: [{ name: 'spawn', arguments: {} }] }, 'Done.'] });
    const tool = createSpawnTool(createSubagentManager(troupe.runtime));
    const { calls } = await troupe.runtime.run(leadWith(tool), 'Go.');
    expect(calls[0]?.result).toBe('No sub-agents have been spawned.');
  });

  test('that is refused is an error with the reason, never a success [SB-130, L5]', async () => {
    const troupe = openSpawning({ manager: { maxChildrenPerAgent: 1 } });
    const { call } = troupe;
    await call(spawn('Hang.'));
    const full = await call(spawn('Hang.'));
    expect(full.status).toBe('error');
    expect(errorIn(full)).toMatch(/^Error: Max children per agent \(1\)/);
    expect(errorIn(await call(spawn('x', { tool_profile: 'magic' }))).slice(0, 34)).toBe(
      'Error: tool_profile is "magic". Ex',
    );
    await troupe.manager.close();
    expect(errorIn(await call({ action: 'cancel' }))).toMatch(/^Error: .*is closed/);
  });

  test('starts a sub-agent and says who it is and how to hear of it [SB-132]', async () => {
    const troupe = openSpawning();
    const spawned = await troupe.call(
      spawn('Hang on.', {
        role: 'Tester',
        model: 'small',
        thinking: 'on',
        enable_skills: false,
        timeout_seconds: 60,
        allow_subagents: true,
      }),
    );
    expect(spawned.text).toMatch(
      /^Sub-agent spawned\. .* NOT its result\.\nID: (sub_\w{10})\nRun ID: \w+\nTask ID: \1\n/,
    );
    expect(spawned.text).toContain('\nLabel: tester: Hang on.\n');
    expect(spawned.text).toContain(
      'Depth: 1 | Role: tester | Model: small | Thinking: basic | Skills: off | Timeout: 60s | Mode: run | Nested: on',
    );
    const info = await troupe.manager.info(idIn(spawned), { scope: 'chat' });
    expect(info).toMatchObject({ task: 'Hang on.', runId: runIn(spawned), parentId: null });
  });

  test('labels it by what it is told, else by its role and the task [SB-006]', async () => {
    const { call } = openSpawning();
    const task = 'Hang the pictures of the whole family, the dogs, and the cats.';
    expect((await call(spawn(task, { label: 'Decorate', role: 'tester' }))).text).toContain('\nLabel: Decorate\n');
    expect((await call(spawn(task, { role: 'tester' }))).text).toContain(`\nLabel: tester: ${task.slice(0, 40)}…\n`);
    expect((await call(spawn(task))).text).toContain(`\nLabel: ${task.slice(0, 60)}\n`);
  });

  test('with a role that there is not names it and all there are, and starts nothing [SB-012]', async () => {
    const troupe = openSpawning();
    expect(errorIn(await troupe.call(spawn('x', { role: 'pirate' })))).toBe(
      'Error: Unknown role "pirate". Available roles: planner, backend, frontend, researcher, reviewer, devops, tester.',
    );
    expect((await troupe.manager.status()).total).toBe(0);
  });

  test('that misses something says what, and one that says something wrong what there is [SB-131]', async () => {
    const { call, manager } = openSpawning();
    expect(errorIn(await call({ action: 'spawn' }))).toMatch(/^Error: "spawn" needs a task/);
    expect(errorIn(await call({ action: 'resume', task: 'x' }))).toMatch(/^Error: "resume" needs agent_name/);
    expect(errorIn(await call({ action: 'resume', agent_name: 'x' }))).toMatch(/^Error: "resume" needs a task/);
    expect(errorIn(await call({ action: 'steer', message: 'x' }))).toMatch(/^Error: "steer" needs agent_id/);
    expect(errorIn(await call({ action: 'steer', agent_id: 'x' }))).toMatch(/^Error: "steer" needs a message/);
    expect(errorIn(await call({ action: 'info' }))).toMatch(/^Error: "info" needs agent_id/);
    expect(errorIn(await call(spawn('x', { cleanup: 'burn' })))).toBe(
      'Error: Invalid cleanup "burn": choose one of keep, delete.',
    );
    expect((await manager.status()).total).toBe(0);
  });

  test('with a task_id lets that one go on, as it was but for what is said now [SB-131]', async () => {
    const troupe = openSpawning();
    pulls(troupe);
    const first = await troupe.call(spawn('Count.', { role: 'tester', thinking: 'deep' }));
    const id = idIn(first);
    const second = await troupe.call(spawn('Count again.', { task_id: id }));
    expect(second.text).toMatch(/^Sub-agent resumed\./);
    expect(idIn(second)).toBe(id);
    expect(runIn(second)).not.toBe(runIn(first));
    await settle();
    expect(lastSeenBy(troupe, 'tester')).toEqual(expect.arrayContaining(['Count.', 'Did: Count.', 'Count again.']));
    expect((await troupe.manager.info(id))?.config).toMatchObject({
      role: 'tester',
      thinking: 'extended',
      maxTurns: 20,
    });
    await troupe.call(spawn('Count once more.', { task_id: id, thinking: 'off' }));
    expect((await troupe.manager.info(id))?.config).toMatchObject({ role: 'tester', thinking: 'off', maxTurns: 20 });
    expect(errorIn(await troupe.call(spawn('x', { task_id: 'sub_none' })))).toBe(
      'Error: Sub-agent "sub_none" was not found.',
    );
  });

  test('resumes a persistent one by its name [SB-133]', async () => {
    const troupe = openSpawning();
    const first = await troupe.call(spawn('Count.', { spawn_mode: 'session', agent_name: 'counter' }));
    expect(first.text).toContain('| Mode: session [counter]\n');
    await settle();
    const again = await troupe.call({ action: 'resume', agent_name: 'counter', task: 'Count on.' });
    expect(again.text).toMatch(
      /^Sub-agent resumed, .*\nID: (sub_\w{10})\nRun ID: \w+\nTask ID: \1\nName: counter\nLabel: Count\.\n/,
    );
    expect(idIn(again)).toBe(idIn(first));
    expect(errorIn(await troupe.call({ action: 'resume', agent_name: 'nobody', task: 'x' }))).toMatch(
      /^Error: No session-mode agent named "nobody"/,
    );
  });

  test('tells how all stand, and all of one [SB-134, SB-083]', async () => {
    const troupe = openSpawning();
    const hanging = await troupe.call(spawn('Hang.'));
    const named = await troupe.call(spawn('Count.', { spawn_mode: 'session', agent_name: 'counter' }));
    await settle();
    troupe.clock.increment(7_000);
    const { text } = await troupe.call({ action: 'status' });
    expect(text).toBe(
      `Sub-agents: 2 in all (1 running, 1 completed)
Active:
- [${idIn(hanging)}/${runIn(hanging)}] Hang.: running — 7s [test-model]
Recent:
- [${idIn(named)}/${runIn(named)}] Count.: completed — 0s [test-model] [session:counter]`,
    );
    const info = await troupe.call({ action: 'info', agent_id: idIn(named) });
    expect(info.text).toContain('State: completed\nTask: Count.\nMode: session [counter]\n');
    expect(info.text).toContain('\nTokens: 15 (10 in, 5 out)\nResult preview: Did: Count.');
    expect(errorIn(await troupe.call({ action: 'info', agent_id: 'sub_none' }))).toBe(
      'Error: Sub-agent "sub_none" was not found.',
    );
  });

  test('lists the roles [SB-130]', async () => {
    const roles = {
      poet: { description: 'Writes verse.', toolProfile: 'research', maxTurns: 3, instructions: 'Rhyme.' },
    };
    const { call } = openSpawning({ manager: { roles } });
    expect((await call({ action: 'list_roles' })).text).toContain('- poet: Writes verse. (tools: research, turns: 3)');
  });
});

describe('what came of sub-agents', () => {
  test('is given at once, or waited for 30 seconds, or as long as is said [SB-135, SB-136]', async () => {
    const troupe = openSpawning();
    pulls(troupe);
    expect((await troupe.call({ action: 'results' })).text).toBe(
      'No completed results available yet. Nobody is at work.',
    );
    const spawned = await troupe.call(spawn('Take 60000'));
    const waiting = troupe.call({ action: 'wait' });
    await settle();
    troupe.clock.increment(29_999);
    await settle();
    troupe.clock.increment(1);
    expect((await waiting).text).toBe('No results received within 30s. Still at work: 1.');
    const heard = troupe.call({ action: 'wait', timeout: 45, agent_id: idIn(spawned) });
    await settle();
    troupe.clock.increment(30_000);
    expect((await heard).text).toBe(
      `[Sub-agent Completed] Take 60000 (${idIn(spawned)}/${runIn(spawned)}): completed after 60s [test-model]
task_id: ${idIn(spawned)}
run_id: ${runIn(spawned)}
Took 60000.`,
    );
  });

  test('is given once, and again only to whoever asks for what was handed over [B-39]', async () => {
    const troupe = openSpawning();
    pulls(troupe);
    const spawned = await troupe.call(spawn('Count.'));
    await settle();
    expect((await troupe.call({ action: 'results' })).text).toContain('Did: Count.');
    expect((await troupe.call({ action: 'results' })).text).toMatch(/^No completed results/);
    const again = await troupe.call({ action: 'results', include_delivered: true, run_id: runIn(spawned) });
    expect(again.text).toContain('\nhanded over before: pulled\nDid: Count.');
  });

  test('is not given to whoever asks for it after it came by itself [B-39]', async () => {
    const troupe = openSpawning();
    await troupe.call(spawn('Count.'));
    await settle();
    expect(mailIn(troupe)).toEqual([expect.stringMatching(/^\[Sub-agent Completed\] Count\.[\s\S]*Did: Count\.$/)]);
    expect((await troupe.call({ action: 'results' })).text).toMatch(/^No completed results/);
    expect((await troupe.call({ action: 'results', include_delivered: true })).text).toContain(
      'handed over before: pushed',
    );
  });

  test('of one that there is not is an error at once [SB-135]', async () => {
    const { call } = openSpawning();
    expect(errorIn(await call({ action: 'wait', agent_id: 'sub_none' }))).toBe(
      'Error: Sub-agent "sub_none" was not found.',
    );
  });

  test('reaches each of two conversations that wait as soon as its own is there [B-30]', async () => {
    const troupe = openSpawning();
    await troupe.call(spawn('Take 9000'), 'one');
    await troupe.call(spawn('Take 1000'), 'two');
    const one = troupe.call({ action: 'wait', timeout: 5 }, 'one');
    const two = troupe.call({ action: 'wait', timeout: 5 }, 'two');
    await settle();
    troupe.clock.increment(1_000);
    expect((await two).text).toContain('Took 1000.');
    troupe.clock.increment(4_000);
    expect((await one).text).toMatch(/^No results received within 5s\./);
  });

  test('that failed is told as a failure [SB-136, L5]', async () => {
    const troupe = openSpawning();
    pulls(troupe);
    await troupe.call(spawn('Fail.'));
    await settle();
    const { text } = await troupe.call({ action: 'results' });
    expect(text).toMatch(
      /^\[Sub-agent Failed\] Fail\. .*: failed after 0s \[test-model\]\n[\s\S]*\nNO RESULT: .*The model is down\.$/,
    );
  });

  test('stays where it is when whoever waits is interrupted', async () => {
    const troupe = openSpawning();
    pulls(troupe);
    await troupe.call(spawn('Take 1000'));
    const run = await troupe.session('chat').send(taskOf('Done.', { action: 'wait' }));
    await settle();
    await run.interrupt();
    troupe.clock.increment(1_000);
    await settle();
    expect((await troupe.call({ action: 'results' })).text).toContain('Took 1000.');
  });
});

describe('sub-agents at work', () => {
  test('are cancelled by their id with all below them, or all at once [SB-137]', async () => {
    const troupe = openSpawning();
    const { call } = troupe;
    const nested = await call(
      spawn(taskOf('Done.', spawn('Hang.'), { action: 'wait', timeout: 60 }), { allow_subagents: true }),
    );
    await settle();
    expect((await call({ action: 'cancel', agent_id: idIn(nested) })).text).toBe(
      `Cancellation requested for sub-agent ${idIn(nested)} (+ 1 descendant).`,
    );
    await settle();
    const again = await call({ action: 'kill', task_id: idIn(nested), message: 'Enough.' });
    expect(again.status).toBe('error');
    expect(errorIn(again)).toMatch(/^Could not cancel sub-agent sub_/);
    await call(spawn('Hang.'));
    await call(spawn('Hang.'), 'other');
    expect((await call({ action: 'kill' })).text).toBe('Cancellation requested for 1 sub-agent.');
    await settle();
    expect((await call({ action: 'cancel', message: 'Enough.' })).text).toBe('No active sub-agents to cancel.');
    expect((await troupe.manager.status({ scope: 'other' })).byState.running).toBe(1);
  });

  test('cancel only those that they have spawned themselves [SB-137, SB-139]', async () => {
    const troupe = openSpawning();
    await troupe.call(spawn('Hang.'));
    const inner = [spawn('Hang.'), { action: 'cancel' }, { action: 'status' }];
    const outer = await troupe.call(spawn(taskOf('Done.', ...inner), { role: 'tester', allow_subagents: true }));
    await settle();
    const told = lastSeenBy(troupe, 'tester');
    expect(told).toContain('Cancellation requested for 1 sub-agent.');
    expect(told.at(-1)).toMatch(/^Sub-agents: 1 in all/);
    expect((await troupe.manager.status({ scope: 'chat' })).byState).toMatchObject({
      running: 1,
      completed: 1,
      cancelled: 1,
    });
    expect(await troupe.manager.info(idIn(outer))).toMatchObject({ state: 'completed' });
  });

  test('list their own children, not what is below those [SB-139]', async () => {
    const troupe = openSpawning({ manager: { maxDepth: 3 } });
    const inner = spawn(taskOf('Done.', spawn('Hang.')), { allow_subagents: true });
    const pause = { action: 'wait', timeout: 1, run_id: 'none' };
    await troupe.call(spawn(taskOf('Done.', inner, pause, {}), { role: 'planner', allow_subagents: true }));
    await settle();
    troupe.clock.increment(1_000);
    await settle();
    expect((await troupe.call({})).text).toMatch(/^Sub-agents: 3 in all/);
    expect(lastSeenBy(troupe, 'planner').filter((text) => text.startsWith('Sub-agents:'))).toEqual([
      expect.stringMatching(/^Sub-agents: 1 in all/),
    ]);
  });

  test('are steered, not too often, and not when they have ended [SB-138]', async () => {
    const troupe = openSpawning();
    const { call } = troupe;
    const spawned = await call(spawn('Hang.'));
    const id = idIn(spawned);
    await settle();
    const steered = await call({ action: 'steer', agent_id: id, message: 'Hang lower.' });
    expect(steered.text).toMatch(/^Steer accepted: /);
    expect(runIn(steered)).not.toBe(runIn(spawned));
    expect(await troupe.manager.info(id)).toMatchObject({ runId: runIn(steered), task: 'Hang lower.' });
    const soon = await call({ action: 'steer', agent_id: id, message: 'Count.' });
    expect(soon.status).toBe('error');
    expect(errorIn(soon)).toMatch(/^Rate limited: .*Try again in 2\.0s\.$/);
    troupe.clock.increment(2_000);
    await call({ action: 'steer', task_id: id, message: 'Count.' });
    await settle();
    expect(errorIn(await call({ action: 'steer', agent_id: id, message: 'x' }))).toMatch(/^Cannot steer: .*completed/);
    expect(errorIn(await call({ action: 'steer', agent_id: 'sub_none', message: 'x' }))).toMatch(
      /^Cannot steer: .*not found/,
    );
  });
});

describe('whom a call of spawn reaches', () => {
  test('is what was spawned in its own conversation and below: for others there is nothing [SB-139]', async () => {
    const troupe = openSpawning();
    const { call } = troupe;
    const id = idIn(await call(spawn('Hang.')));
    await settle();
    expect((await call({}, 'other')).text).toBe('No sub-agents have been spawned.');
    expect(errorIn(await call({ action: 'info', agent_id: id }, 'other'))).toMatch(/was not found/);
    expect(errorIn(await call({ action: 'wait', agent_id: id }, 'other'))).toMatch(/was not found/);
    expect(errorIn(await call({ action: 'cancel', agent_id: id }, 'other'))).toMatch(/^Could not cancel/);
    expect(errorIn(await call({ action: 'steer', agent_id: id, message: 'x' }, 'other'))).toMatch(/not found/);
    expect(errorIn(await call(spawn('x', { task_id: id }), 'other'))).toMatch(/was not found/);
    expect((await call({ action: 'cancel' }, 'other')).text).toMatch(/^No active/);
    expect(await troupe.manager.info(id)).toMatchObject({ state: 'running', task: 'Hang.' });
  });

  test('is the same from a run without a session: its conversation is the one that its root began [SB-139]', async () => {
    const troupe = openSpawning();
    const run = troupe.runtime.start(troupe.lead, taskOf('Done.', spawn('Hang.'), {}), { runId: 'root' });
    const { calls } = await run.report;
    expect(calls[1]?.result).toContain('Sub-agents: 1 in all');
    expect((await troupe.manager.status({ scope: 'root' })).total).toBe(1);
    expect((await troupe.call({}, 'root')).text).toContain('Sub-agents: 1 in all');
  });

  test('works on behalf of what was bound: all four parts, and null is meant [SB-140, B-10]', async () => {
    const troupe = openSpawning();
    const { manager } = troupe;
    const whole = { sessionKey: 'chat', channel: 'telegram:main', metadata: { chat_id: 7 }, replyTo: 'm1' };
    const bare = { sessionKey: 'chat', channel: null, metadata: {}, replyTo: null };
    manager.bind(whole);
    const first = await troupe.call(spawn('Hang.'));
    expect((await manager.info(idIn(first)))?.requester).toEqual(whole);
    manager.bind(bare);
    const second = await troupe.call(spawn('Count.'));
    expect((await manager.info(idIn(second)))?.requester).toEqual(bare);
    expect(second.text).toContain('Its result does not come by itself.');
    await settle();
    expect(mailIn(troupe)).toEqual([]);
    expect((await troupe.call({ action: 'results' })).text).toContain('Did: Count.');
  });

  test('stays within the sub-agent that called: nothing of a nested one goes the way to the user [B-04]', async () => {
    const troupe = openSpawning();
    const { manager, clock } = troupe;
    manager.bind({ sessionKey: 'chat', channel: 'telegram:main', metadata: { chat_id: 7 }, replyTo: 'm1' });
    // given an orchestrator that is at work still when the one that it has spawned comes to an end
    const busy = { action: 'wait', run_id: 'none', timeout: 2 };
    const outer = await troupe.call(
      spawn(taskOf('All counted.', spawn('Take 1000'), busy), {
        role: 'planner',
        label: 'Outer',
        allow_subagents: true,
      }),
    );
    await settle();
    const [inner] = (await manager.status()).active.filter(({ depth }) => depth === 2);
    const scope = `subagent-${idIn(outer)}`;
    expect(await manager.info(inner?.agentId ?? '', { scope })).toMatchObject({
      parentId: idIn(outer),
      requester: { sessionKey: scope, channel: `subagent:${idIn(outer)}`, metadata: {}, replyTo: null },
    });
    // when both have ended
    clock.increment(1_000);
    await settle();
    clock.increment(1_000);
    await settle();
    // then each was told to whoever asked for it, once
    expect(lastSeenBy(troupe, 'planner').filter((text) => text.startsWith('[Sub-agent'))).toEqual([
      expect.stringContaining('Took 1000.'),
    ]);
    expect(mailIn(troupe)).toEqual([expect.stringMatching(/^\[Sub-agent Completed\] Outer [\s\S]*\nAll counted\.$/)]);
  });
});

describe('the tool spawn', () => {
  test('tells what holds for whoever reads it: limits, roles, how results come [SB-140]', async () => {
    const troupe = openSpawning({ manager: { maxDepth: 2, maxChildrenPerAgent: 3, maxTotal: 8, maxPersistent: 4 } });
    pulls(troupe);
    await troupe.call(spawn(taskOf('Done.'), { role: 'tester', allow_subagents: true }));
    await settle();
    const toldTo = (agent: string) => requestsOf(troupe, agent).at(-1)?.request.tools[0]?.description ?? '';
    expect(toldTo('lead')).toContain(
      "Limits: 3 of yours at work at once, 8 of everybody's; 4 persistent ones; 2 deep: you are at level 0, yours may spawn further",
    );
    expect(toldTo('lead')).toContain('- researcher: ');
    expect(toldTo('lead')).toContain('Results do not come by themselves');
    expect(toldTo('tester')).toContain('you are at level 1, yours cannot spawn further.');
    expect(toldTo('tester')).toContain('Each result comes to this conversation by itself');
  });

  test('is not seen by who may not spawn, by role or by depth; who is at a limit that passes sees it [SB-014, B-44]', async () => {
    const troupe = openSpawning({ manager: { maxDepth: 2, maxChildrenPerAgent: 2 } });
    const deep = spawn('Hang deep.', { role: 'devops', allow_subagents: true, tool_profile: 'full' });
    const hang = spawn('Hang.', { role: 'backend' });
    await troupe.call(spawn('Leaf.', { role: 'reviewer', tool_profile: 'full' }));
    await settle();
    await troupe.call(
      spawn(taskOf('Done.', deep, hang, hang, {}), {
        role: 'planner',
        routing_mode: 'orchestrated',
      }),
    );
    await settle(40);
    const seen = (agent: string) => [...new Set(offeredTo(troupe, agent).flat())];
    expect([seen('reviewer'), seen('planner'), seen('devops')]).toEqual([[], ['spawn'], []]);
    expect(lastSeenBy(troupe, 'planner').find((text) => text.includes('Max children'))).toBeDefined();
    expect(lastSeenBy(troupe, 'planner').at(-1)).toMatch(/^Sub-agents: 2 in all/);
  });

  test('is withheld from who may not spawn where it comes by another name, and refused all the same [SB-014, B-44]', async () => {
    const helpers = (task: string) => ({ calls: [{ name: 'helpers', arguments: JSON.parse(task) }] });
    const troupe = openSpawning({
      tool: { name: 'helpers' },
      manager: { maxDepth: 2 },
      script: ({ messages }) => {
        const last = messages.at(-1);
        return last?.role === 'user' && String(last.content).startsWith('{') ? helpers(String(last.content)) : 'Done.';
      },
    });
    const full = (role: string, task: object, more = {}) =>
      spawn(JSON.stringify(task), { role, tool_profile: 'full', ...more });
    const ask = async (args: object) => (await troupe.session('chat').send(JSON.stringify(args))).report;
    await ask(full('reviewer', spawn('x')));
    // What came of it is told to the session first.
    await settle();
    const orchestrator = { allow_subagents: true };
    await ask(full('planner', full('devops', spawn('x'), orchestrator), orchestrator));
    await settle();
    const seen = (agent: string) => [...new Set(offeredTo(troupe, agent).flat())];
    expect([seen('reviewer'), seen('planner'), seen('devops')]).toEqual([[], ['helpers', 'spawn'], []]);
    expect(lastSeenBy(troupe, 'reviewer').at(-1)).toContain('"Error: Nested sub-agent spawning is disabled for you.');
    expect(lastSeenBy(troupe, 'devops').at(-1)).toContain('"Error: Max spawn depth (2) exceeded.');
  });

  test('is seen where spawning is paused, and starts nothing; all else goes on [B-44]', async () => {
    const troupe = openSpawning();
    const id = idIn(await troupe.call(spawn('Count.', { spawn_mode: 'session', agent_name: 'counter' })));
    await settle();
    troupe.runtime.pauseSpawning();
    expect(errorIn(await troupe.call(spawn('x')))).toMatch(/^Error: Spawning is paused: nothing was started\./);
    expect(errorIn(await troupe.call(spawn('x', { task_id: id })))).toMatch(/^Error: Spawning is paused/);
    expect(errorIn(await troupe.call({ action: 'resume', agent_name: 'counter', task: 'x' }))).toMatch(
      /^Error: Spawning is paused/,
    );
    expect((await troupe.call({})).text).toMatch(/^Sub-agents: 1 in all/);
  });

  test('is withheld where the program says so, and adds nothing to what an agent is told [SB-141]', async () => {
    const troupe = openSpawning({
      tool: { name: 'helpers', offered: ({ sessionKey }) => sessionKey !== 'plain' || 'Not in this conversation.' },
    });
    await (await troupe.session('chat').send('Hello.')).report;
    expect(offeredTo(troupe, 'lead').at(-1)).toEqual(['helpers']);
    expect(lastSeenBy(troupe, 'lead')).toEqual(['You lead.', 'Hello.']);
    await (await troupe.session('plain').send('Hello.')).report;
    expect(offeredTo(troupe, 'lead').at(-1)).toEqual([]);
  });

  test('tells two calls apart to which the model gave one id', async () => {
    const provider = ({ messages }: { messages: readonly { role: string }[] }) =>
      messages.filter(({ role }) => role === 'tool').length < 2
        ? { calls: [{ name: 'spawn', id: 'call_1', arguments: spawn('Hang.') }] }
        : 'Done.';
    const troupe = openSpawning({ script: provider });
    await (await troupe.session('chat').send('Go.')).report;
    expect((await troupe.manager.status({ scope: 'chat' })).total).toBe(2);
  });
});

/** One life of a program: a lead that spawns, asks for the result, and steers another. */
const program = ({ store, clock, model }: Life<ReturnType<typeof lasting>>) => {
  let manager: SubagentManager | undefined;
  const tool = createSpawnTool(() => manager);
  const lead = leadWith(tool);
  const provider = model(scriptedProvider(({ messages }) => turnOf(messages)));
  const logger = { warn: () => {}, error: () => {} };
  const runtime = createRuntime({ provider, model: 'm', store, clock, agents: [lead], leaseMs: 0, logger });
  manager = createSubagentManager(runtime, { tools: [tool] });
  manager.bind({ sessionKey: 'chat', channel: null, metadata: {}, replyTo: null });
  return Object.assign(runtime, { lead, manager });
};
const lasting = () => ({ ...memoryStore(), lasting: true });

/** Calls one after another, and how many runs come of them however often the program dies. */
const lives: [what: string, runs: number, calls: Record<string, unknown>[]][] = [
  ['spawned', 1, [spawn('Take 40'), { action: 'wait' }, {}]],
  [
    'let go on',
    2,
    [spawn('Count.'), { action: 'wait' }, spawn('Take 40', { task_id: '$last' }), { action: 'wait' }, {}],
  ],
  ['steered', 2, [spawn('Hang.'), { action: 'steer', agent_id: '$last', message: 'Take 40' }, { action: 'wait' }, {}]],
];

describe('a program that dies and comes back', () => {
  test.each(lives)(
    'finds each sub-agent %s once, and hears of it all the same [L7, F-12, SB-131, SB-135, SB-138]',
    {
      timeout: 60_000,
    },
    async (_what, runs, calls) => {
      const plain = (text: string) => text.replace(/sub_\w{10}|run_\w{20}|\d+s\b/g, '…');
      const { crashes, commits } = await exploreCrashes({
        openStore: lasting,
        program,
        start: (troupe) => troupe.start(troupe.lead, taskOf('Done.', ...calls), { runId: 'r', sessionKey: 'chat' }),
        essence: ({ status, text, calls: made }) => ({ status, text, told: made.map(({ result }) => plain(result)) }),
        verify: ({ report, effects, events }) => {
          expect(report.calls.at(-2)?.result).toContain('\nTook 40.');
          expect(report.calls.at(-1)?.result).toMatch(/^Sub-agents: 1 in all \(1 completed\)/);
          expect(events.map(({ type }) => type)).not.toContain('question.asked');
          const ran = new Set(effects.flatMap((effect) => /^model (run_\w+)/.exec(effect)?.[1] ?? []));
          expect(ran.size).toBe(runs);
        },
      });
      expect(crashes).toBe(2 * commits);
    },
  );
});
