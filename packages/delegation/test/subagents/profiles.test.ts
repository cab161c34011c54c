import { describe, expect, test } from 'vitest';
import { openOffice, settle } from './office.ts';

describe('a persistent sub-agent', () => {
  test.each([
    ['summarize weekly engineering status reports', 'summarize-weekly-subagent'],
    ['handle literature search…', 'handle-literature-subagent'],
    ['是', 'subagent'],
  ])('[SB-099] of “%s” is called %s', async (description, name) => {
    const { manager } = openOffice();
    expect(await manager.createProfile({ description })).toMatchObject({
      name,
      state: 'idle',
      runId: null,
      task: null,
      config: {
        mode: 'session',
        toolProfile: 'coding',
        specialization: description,
        keywords: [description],
        autoRoute: false,
      },
    });
  });

  test('[SB-011, SB-099] has the tools that it is said to have, else those of its role, whatever the manager’s are', async () => {
    const { manager } = openOffice({ manager: { defaultToolProfile: 'full' } });
    const profileOf = async (config: object) =>
      (await manager.createProfile({ description: 'Count craters.', config })).config.toolProfile;
    expect(await profileOf({ role: 'researcher' })).toBe('research');
    expect(await profileOf({ role: 'researcher', toolProfile: 'core' })).toBe('core');
    expect(await profileOf({})).toBe('coding');
  });

  test('[SB-099] whose name is taken gets the next that is free, also when several are made at once', async () => {
    const { manager } = openOffice();
    const made = await Promise.all(
      ['My Agent!', 'my agent', 'My  agent'].map((name) => manager.createProfile({ description: 'x', name })),
    );
    expect(made.map(({ name }) => name)).toEqual(['my-agent', 'my-agent-2', 'my-agent-3']);
  });

  test('[SB-100] is listed with how it stands, also where it was never run, and after a restart', async () => {
    const office = openOffice();
    await office.manager.createProfile({ description: 'writes', name: 'writer' });
    await office.manager.spawn({ task: 'fail', name: 'reader' });
    await office.manager.spawn({ task: 'count' });
    await settle();
    const expected = [
      { name: 'reader', state: 'failed', task: 'fail' },
      { name: 'writer', state: 'idle', task: null, elapsedSeconds: 0 },
    ];
    expect(await office.manager.listPersistent()).toMatchObject(expected);
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store: office.store });
    expect(await later.manager.listPersistent()).toMatchObject(expected);
  });

  test('[SB-098, B-14] is handed a request as it is; an orchestrator is told that it owns it', async () => {
    const office = openOffice({ manager: { maxPersistent: 2 } });
    const { manager } = office;
    await manager.createProfile({ description: 'writes', name: 'writer' });
    await manager.createProfile({ description: 'plans', name: 'planner', config: { routing: 'orchestrated' } });
    const request = `Please ${'write '.repeat(30)}`;
    const direct = await manager.dispatch({ name: 'writer', request });
    const owner = await manager.dispatch({ name: 'planner', request: 'plan it' });
    expect(direct.label).toBe(request.slice(0, 60).trim());
    expect(owner.label).toBe('plan it');
    expect(await manager.info(direct.agentId)).toMatchObject({ task: request });
    expect((await manager.info(owner.agentId))?.task).toMatch(/owning orchestrator.*User request: plan it$/s);
    await expect(manager.dispatch({ name: 'nobody', request })).rejects.toMatchObject({
      code: 'subagent.unknown',
      message: 'No persistent subagent profile named "nobody".',
    });
  });

  test('[SB-096] that is only stored goes on when it is asked to, for whoever asks', async () => {
    const office = openOffice();
    const { sessionKey, agentId } = await office.manager.createProfile({ description: 'writes', name: 'writer' });
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store: office.store });
    const made = await later.manager.resume({ name: 'writer', task: 'write', requester: { sessionKey: 'chat' } });
    await settle();
    expect(made).toMatchObject({ agentId, sessionKey });
    expect(await later.manager.collect({ sessionKey: 'chat' })).toMatchObject([
      { name: 'writer', result: 'done: write' },
    ]);
  });

  test('[SB-027] is forgotten on request, unless it is at work; its name and its place are free then', async () => {
    const { manager } = openOffice({ manager: { maxPersistent: 1 } });
    const { agentId } = await manager.spawn({ task: 'hang on', name: 'writer' });
    await settle();
    expect(await manager.forget(agentId)).toBe(false);
    await manager.cancel(agentId);
    await settle();
    expect(await manager.forget(agentId)).toBe(true);
    expect(await manager.forget(agentId)).toBe(false);
    expect(await manager.collect()).toEqual([]);
    await manager.spawn({ task: 'count', name: 'writer' });
  });

  test('[B-43] stands the same in a list, by itself, and after a restart', async () => {
    const office = openOffice();
    const { agentId } = await office.manager.spawn({ task: 'hang on', name: 'writer' });
    await settle();
    await office.manager.cancel(agentId);
    await settle();
    const states = async ({ manager }: typeof office) => [
      (await manager.info(agentId))?.state,
      (await manager.listPersistent())[0]?.state,
      (await manager.status()).recent[0]?.state,
    ];
    expect(await states(office)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store: office.store });
    expect(await states(later)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });
});

test('[SB-010, SB-013] a sub-agent has the tools of its own profile, and none of its parent: one that only reads has others write', async () => {
  const office = openOffice({ manager: { maxDepth: 3 } });
  const planner = await office.manager.spawn({ task: 'plan', config: { role: 'planner', allowSubagents: true } });
  const backend = await office.manager.spawn({
    task: 'write',
    parentId: planner.agentId,
    config: { role: 'backend', allowSubagents: true },
  });
  await office.manager.spawn({ task: 'look', parentId: backend.agentId, config: { toolProfile: 'group_safe' } });
  await settle();
  const toolsOf = (task: string) =>
    office.provider.requests
      .find(({ request }) => request.messages.some(({ content }) => content === task))
      ?.request.tools.map(({ name }) => name)
      .filter((name) => name !== 'spawn');
  expect(toolsOf('plan')).toEqual(['read_file', 'list_dir', 'web_search', 'web_fetch']);
  expect(toolsOf('write')).toEqual([
    'shell',
    'read_file',
    'write_file',
    'edit_file',
    'list_dir',
    'web_search',
    'web_fetch',
  ]);
  expect(toolsOf('look')).toEqual(['web_search']);
});
