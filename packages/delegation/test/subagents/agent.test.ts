import type { AnyAgent } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { roles } from '../../src/index.ts';
import { rolesOf } from '../../src/subagents/roles.ts';
import { makeSubagent, SubagentMade, type SubagentParts, subagentTools } from '../../src/subagents/subagent-agent.ts';
import { configOf, readConfig, type SubagentRequestConfig } from '../../src/subagents/subagent-config.ts';
import { toolProfilesOf } from '../../src/subagents/tool-profiles.ts';
import { asking, calling, eventsOf, offeredTo, open, requestsOf, tool } from '../delegating.ts';

const toolProfiles = toolProfilesOf();
const sources = { roles: rolesOf({}, toolProfiles), toolProfiles, providers: { own: {} } };

const madeOf = (request: SubagentRequestConfig = {}, more: Partial<SubagentMade> = {}): SubagentMade => ({
  agentId: 'sub_0123456789',
  runId: 'run_7',
  label: 'Count the stars',
  depth: 1,
  maxDepth: 2,
  sessionKey: 'subagent-sub_0123456789',
  config: configOf(readConfig(request), sources),
  maySpawn: false,
  skills: false,
  ...more,
});

const parts: SubagentParts = {
  tools: [tool('spawn'), tool('shell'), tool('read_file'), tool('web_search')],
  toolProfiles,
  spawnToolName: 'spawn',
  skills: [tool('juggle')],
};

const namesOf = ({ tools }: Pick<AnyAgent, 'tools'>): string[] => tools.map(({ name }) => name);

/** A run of this sub-agent's agent, whose model says this. */
const runOf = async (made: SubagentMade, turns: readonly Turn[], more: Partial<SubagentParts> = {}) => {
  const troupe = open(() => turns[troupe.provider.requests.length - 1] ?? 'No more.');
  const agent = makeSubagent(made, { ...parts, ...more });
  const report = await troupe.runtime.run(agent, 'Count.');
  return { troupe, agent, report };
};

describe('the agent of a sub-agent', () => {
  test('is made again of stored data, the same in every word', () => {
    const made = madeOf(
      { role: 'backend', timeoutMs: 60_000, thinking: 'deep' },
      { name: 'stars', model: 'm1', skills: true },
    );
    const again = SubagentMade.parse(JSON.parse(JSON.stringify(made)));
    expect(again).toEqual(made);
    expect(JSON.stringify(makeSubagent(again, parts))).toBe(JSON.stringify(makeSubagent(made, parts)));
  });

  test('is called by its name, else by its role, else by its id', () => {
    expect(makeSubagent(madeOf({ role: 'backend' }, { name: 'stars' }), parts).name).toBe('stars');
    expect(makeSubagent(madeOf({ role: 'backend' }), parts).name).toBe('backend');
    expect(makeSubagent(madeOf(), parts).name).toBe('sub_0123456789');
  });

  test('has the turns of its configuration, calls enough for them, and its time [SB-002]', () => {
    expect(makeSubagent(madeOf({ maxTurns: 4, timeoutMs: 60_000 }), parts).budget).toEqual({
      turns: 4,
      toolCalls: 40,
      deadlineMs: 60_000,
    });
    expect(makeSubagent(madeOf(), parts).budget).toEqual({ turns: 15, toolCalls: 150 });
  });

  test('uses the model and the provider that hold for it, the runtime’s where none does [SB-029, SB-040]', async () => {
    const provider = scriptedProvider(['From its own.']);
    const own = await runOf(madeOf({}, { model: 'm1', provider: 'own' }), ['no'], { providers: { own: provider } });
    expect(own.report.text).toBe('From its own.');
    expect(provider.requests[0]?.request.model).toBe('m1');
    const inherited = await runOf(madeOf(), ['From the runtime’s.']);
    expect(inherited.report.text).toBe('From the runtime’s.');
    expect(inherited.troupe.provider.requests[0]?.request.model).toBe('test-model');
  });

  test('cannot be made where its provider or its profile is not there any more', () => {
    const gone = { code: 'subagent.invalid', details: { field: 'provider' } };
    for (const provider of ['own', 'toString'])
      expect(() => makeSubagent(madeOf({}, { provider }), parts)).toThrow(expect.objectContaining(gone));
    const other = { providers: { other: scriptedProvider([]) } };
    expect(() => makeSubagent(madeOf({}, { provider: 'own' }), { ...parts, ...other })).toThrow(
      'Expected one of other.',
    );
    expect(() => makeSubagent(madeOf(), { ...parts, toolProfiles: new Map() })).toThrow('toolProfile is "core".');
  });

  test.each([
    ['off', 'off'],
    ['basic', 'medium'],
    ['extended', 'high'],
  ] as const)('asks its model with %s thinking for a reasoning of %s [SB-043]', async (thinking, reasoning) => {
    const { troupe } = await runOf(madeOf({ thinking }), ['Nine.']);
    expect(troupe.provider.requests[0]?.request.settings).toEqual({ reasoning });
  });

  test('says nothing of reasoning where nothing is said of thinking, and is given its task as it is [SB-043]', async () => {
    const { troupe } = await runOf(madeOf(), ['Nine.']);
    const [{ request } = { request: undefined }] = troupe.provider.requests;
    expect(request?.settings).toBeUndefined();
    expect(request?.messages.slice(1)).toEqual([expect.objectContaining({ role: 'user', content: 'Count.' })]);
  });

  test('sees the tools that it was granted, and spawns only where it may [SB-014, B-44]', async () => {
    const full = await runOf(madeOf({ toolProfile: 'full' }), ['Nine.']);
    expect(offeredTo(full.troupe, full.agent.name)).toEqual([['shell', 'read_file', 'web_search']]);
    const listed = await runOf(madeOf({ tools: ['read_file', 'spawn'] }), ['Nine.']);
    expect(offeredTo(listed.troupe, listed.agent.name)).toEqual([['read_file']]);
    const orchestrator = await runOf(madeOf({ tools: ['read_file'] }, { maySpawn: true }), ['Nine.']);
    expect(offeredTo(orchestrator.troupe, orchestrator.agent.name)).toEqual([['spawn', 'read_file']]);
    expect(subagentTools(madeOf({ tools: ['teleport'] }), parts).missing).toEqual(['teleport']);
  });

  test('has skills where they hold for it, whatever it was granted besides [SB-015]', () => {
    expect(namesOf(makeSubagent(madeOf({ tools: [] }, { skills: true }), parts))).toEqual(['juggle']);
    expect(namesOf(makeSubagent(madeOf({ tools: [] }, { skills: false }), parts))).toEqual([]);
    const { skills: _, ...none } = parts;
    expect(namesOf(makeSubagent(madeOf({ tools: [] }, { skills: true }), none))).toEqual([]);
  });

  test('waits for nobody: what a person would have to approve is declined, unless the program lets it run [B-22]', async () => {
    const runs = async (approval?: 'allow') => {
      const asked = asking();
      const script = [calling({ name: 'deploy', arguments: {} }), 'Done.'];
      const more = { tools: [asked.tool], ...(approval && { approval }) };
      const { report, troupe } = await runOf(madeOf({ toolProfile: 'full' }), script, more);
      expect([report.status, eventsOf(troupe, 'question.asked')]).toEqual(['completed', []]);
      return asked.runs;
    };
    expect(await runs()).toBe(0);
    expect(await runs('allow')).toBe(1);
  });

  test('remembers nothing beside its conversation, in a runtime that has a memory', async () => {
    const scopes: string[] = [];
    const remember = (scope: string) => void scopes.push(scope);
    const memory = { read: remember, write: remember, search: () => [], reset: () => {} };
    const troupe = open(['Nine.'], { memory });
    await troupe.runtime.run(makeSubagent(madeOf(), parts), 'Count.');
    expect(scopes).toEqual([]);
  });
});

describe('the instructions of a sub-agent', () => {
  const instructionsOf = (request: SubagentRequestConfig = {}, more: Partial<SubagentMade> = {}) =>
    makeSubagent(madeOf(request, more), parts).instructions;

  test('begin with its own or its role’s, and the contract follows [SB-041]', async () => {
    const { troupe } = await runOf(madeOf({ instructions: 'You love stars.' }), ['Nine.']);
    const [[message] = []] = requestsOf(troupe, 'sub_0123456789').map(({ request }) => request.messages);
    expect([message?.role, String(message?.content)]).toEqual([
      'system',
      expect.stringMatching(/^You love stars\.\n\n# Subagent Context\n/),
    ]);
    expect(instructionsOf({ role: 'tester' }).startsWith(`${roles.tester.instructions}\n\n# Subagent Context\n`)).toBe(
      true,
    );
    expect(instructionsOf().startsWith('# Subagent Context\n')).toBe(true);
  });

  test('say who it is, where it stands, and what it is for where that was said [SB-042]', () => {
    const text = instructionsOf({ specialization: 'Stars,\nand planets.' }, { name: 'stars' });
    for (const line of [
      'Your id: sub_0123456789',
      'Your name: stars',
      'Your specialization: Stars, and planets.',
      'Session: subagent-sub_0123456789',
      'Depth: 1 of 2',
      'Label: Count the stars',
      'Run: run_7',
    ])
      expect(text.split('\n')).toContain(`- ${line}`);
    expect(instructionsOf()).not.toMatch(/specialization|Your name/);
  });

  test('ask for one summary, forbid to address the user and to poll, and say that the result goes back by itself [SB-042]', () => {
    expect(instructionsOf()).toMatch(
      /Stay on task.*one final summary.*not address the user.*auto-announced back to the requester.*do not poll/s,
    );
  });

  test('tell a leaf that it must not spawn, and others that they may, with what, and how deep [SB-042, B-44]', () => {
    const leaf = instructionsOf();
    expect(leaf).toContain('You are a leaf worker: you must not spawn');
    expect(leaf).not.toContain('explicitly allowed');
    const orchestrator = instructionsOf({}, { maySpawn: true });
    expect(orchestrator).toContain('You are explicitly allowed to spawn nested sub-agents, with the tool spawn.');
    expect(orchestrator).toContain('They are at the last level');
    expect(orchestrator).not.toContain('You are a leaf worker');
    expect(instructionsOf({}, { maySpawn: true, maxDepth: 3 })).toContain('They may have sub-agents of their own');
  });
});
