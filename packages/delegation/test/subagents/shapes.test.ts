import { describe, expect, test } from 'vitest';
import { subagentPolicyOf } from '../../src/subagents/subagent-options.ts';
import { SubagentRecord } from '../../src/subagents/subagent-record.ts';
import { openOffice, pass, settle } from './office.ts';

describe('the limits of a manager [SB-004]', () => {
  test('are these by default', () => {
    expect(openOffice().manager.limits).toEqual({
      maxDepth: 2,
      maxChildrenPerAgent: 5,
      maxTotal: 20,
      maxPersistent: 10,
    });
    const { archiveAfterMs, sweepEveryMs, ...others } = subagentPolicyOf({});
    expect([archiveAfterMs, sweepEveryMs]).toEqual([3_600_000, 60_000]);
    expect(others).not.toHaveProperty('defaultModel');
    expect(others).not.toHaveProperty('defaultToolProfile');
  });

  const counted = ['maxDepth', 'maxChildrenPerAgent', 'maxTotal', 'maxPersistent', 'archiveAfterMs', 'sweepEveryMs'];
  test.each(counted)('have a floor and no ceiling: %s', (option) => {
    const policyWith = (value: number) => () => subagentPolicyOf({ [option]: value });
    for (const fits of [1, 1_000_000, Number.POSITIVE_INFINITY]) expect(policyWith(fits)).not.toThrow();
    for (const wrong of [0, -1, 1.5, Number.NaN])
      expect(policyWith(wrong)).toThrow(
        expect.objectContaining({
          code: 'subagent.invalid',
          message: `The option ${option} of a sub-agent manager is ${wrong}. Expected a whole number of 1 or more, or Infinity.`,
        }),
      );
  });
});

const chat = { sessionKey: 'chat', channel: 'mail', metadata: { id: 7 }, replyTo: 'm1' };

/** One below another; the upper one has ended. */
const open = async () => {
  const office = openOffice();
  const config = { allowSubagents: true, mode: 'session' } as const;
  const upper = await office.manager.spawn({ task: 'slow sum', name: 'bo', config, scope: 'chat', requester: chat });
  const lower = await office.manager.spawn({ task: 'hang on', parentId: upper.agentId });
  await pass(office, 1_000);
  return { ...office, upper, lower };
};

describe('what is known of a sub-agent [SB-007]', () => {
  test('is who it is, where it stands, whose it is, how it is made, and how its latest run went', async () => {
    const { manager, upper, lower, clock } = await open();
    expect(await manager.info(upper.agentId)).toEqual({
      agentId: upper.agentId,
      runId: upper.runId,
      label: 'slow sum',
      name: 'bo',
      mode: 'session',
      state: 'completed',
      parentId: null,
      depth: 1,
      children: [lower.agentId],
      pendingDescendants: 1,
      background: 0,
      allowSubagents: true,
      effectiveSkills: false,
      config: upper.config,
      sessionKey: `subagent-${upper.agentId}`,
      requester: chat,
      task: 'slow sum',
      model: 'm',
      elapsedSeconds: 1,
      resultPreview: 'done: slow sum',
      error: null,
      usage: expect.objectContaining({ inputTokens: expect.any(Number), outputTokens: expect.any(Number) }),
      createdAt: 0,
      startedAt: 0,
      completedAt: clock.now(),
    });
  });

  test('is stored without how it stands: that is read from its runs', async () => {
    const { memory, upper } = await open();
    const record = await memory.read('subagents:subagents', upper.agentId);
    expect(SubagentRecord.strict().parse(record)).toEqual(record);
    expect(record).toMatchObject({
      agentId: upper.agentId,
      name: 'bo',
      parentId: null,
      depth: 1,
      sessionKey: upper.sessionKey,
      requester: chat,
      run: { runId: upper.runId, task: 'slow sum', askedAt: 0 },
    });
    for (const field of ['state', 'result', 'error', 'usage', 'children']) expect(record).not.toHaveProperty(field);
  });
});

test('[SB-008] a result says whose it is, what came of it, how long it took, by which model, and for whom', async () => {
  const { manager, upper } = await open();
  await settle();
  expect(await manager.collect({ agentId: upper.agentId, includeDelivered: true })).toEqual([
    {
      agentId: upper.agentId,
      runId: upper.runId,
      label: 'slow sum',
      name: 'bo',
      state: 'completed',
      result: 'done: slow sum',
      error: null,
      elapsedSeconds: 1,
      model: 'm',
      requester: chat,
      usage: expect.objectContaining({ inputTokens: expect.any(Number) }),
      delivered: 'pushed',
    },
  ]);
});
