import { type AgentOptions, type ChildRequest, defineAgent, defineTool, spawned } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime } from '../../../../test/support/open-runtime.ts';
import { ofType } from './tools.ts';

const member = defineAgent({ name: 'member', instructions: '', memoryScope: null });

/** A lead that asks for these children, all or none, and hears of each what its report says. */
const openAll = (requests: () => ChildRequest[], budget: AgentOptions['budget'] = {}) => {
  const team = defineTool({
    name: 'team',
    description: 'Asks the team.',
    inputSchema: z.object({}),
    execute: () => spawned(requests(), { allOrNone: true }),
    settle: (reports) => ({ data: reports.map(({ text, fault }) => text ?? fault?.message ?? null) }),
  });
  const lead = defineAgent({ name: 'lead', instructions: '', memoryScope: null, tools: [team], budget });
  const provider = scriptedProvider(({ messages }, { agent }) => {
    if (agent === 'member') return 'did it';
    return messages.at(-1)?.role === 'user' ? { calls: [{ name: 'team', arguments: {} }] } : 'Heard.';
  });
  return { ...openRuntime({ provider }), lead };
};
const three = (last: Partial<ChildRequest> = {}) => [
  { agent: member, job: 'a' },
  { agent: member, job: 'b' },
  { agent: member, job: 'c', ...last },
];

describe('children that are started all or none [B-53]', () => {
  test('are started where none must be refused', async () => {
    const { runtime, lead } = openAll(three, { children: 3 });
    const report = await runtime.run(lead, 'go');
    expect(report.calls[0]?.data).toEqual(['did it', 'did it', 'did it']);
    expect(report.children).toHaveLength(3);
  });

  const quota = { key: 'few', max: 2, message: 'Only two.' };
  test.each<[string, () => ChildRequest[], AgentOptions['budget'], RegExp]>([
    ['there are too many', three, { children: 2 }, /budget\.children allows 2/],
    ['they would be too deep', three, { depth: 0 }, /budget\.depth allows 0/],
    ['one asks for more than there is', () => three({ budget: { tokens: 900 } }), { tokens: 1_000 }, /900 tokens/],
    ['a job is no job', () => three({ job: { input: 'c', attachments: 'none' } as never }), {}, /attachments/],
    ['a quota has too few places', () => three().map((each) => ({ ...each, quota })), {}, /Only two\./],
  ])('are none where %s, for the reason of the one', async (_why, requests, budget, reason) => {
    const { runtime, lead, events } = openAll(requests, budget);
    const report = await runtime.run(lead, 'go');
    expect(report.children).toEqual([]);
    expect(ofType(events, 'child.requested')).toEqual([]);
    expect(ofType(events, 'child.refused')).toHaveLength(3);
    const said = report.calls[0]?.data as string[];
    expect(new Set(said).size).toBe(1);
    expect(said[0]).toMatch(reason);
    // and no place, and no grant, was lost
    const fresh = await runtime.run(lead, 'go');
    expect(fresh.calls[0]?.data).toEqual(said);
  });

  test('give their places back where none of them was started', async () => {
    let asked = 3;
    const quotas = () =>
      three()
        .map((each) => ({ ...each, quota }))
        .slice(0, asked);
    const { runtime, lead } = openAll(quotas);
    await runtime.run(lead, 'go');
    asked = 2;
    expect((await runtime.run(lead, 'go')).calls[0]?.data).toEqual(['did it', 'did it']);
  });

  test('are none while spawning is paused', async () => {
    const { runtime, lead } = openAll(three);
    runtime.pauseSpawning();
    const report = await runtime.run(lead, 'go');
    expect(report.children).toEqual([]);
    expect(report.calls[0]?.data).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/spawning is paused/)));
  });
});
