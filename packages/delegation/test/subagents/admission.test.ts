import { isFaultError } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { type Office, openOffice, settle } from './office.ts';

/** Everything that a refusal must leave as it was. */
const everything = async ({ manager, memory, runtime, told }: Office) => {
  await settle();
  return JSON.stringify({
    status: await manager.status(),
    persistent: await manager.listPersistent(),
    stored: await memory.search('subagents:subagents', '', { limit: 1_000 }),
    runs: await runtime.runs.list({ limit: 1_000 }),
    told,
  });
};

const refusalOf = async (asked: Promise<unknown>) => {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isFaultError(error)) throw new Error('It was let in.');
  return { code: error.code, message: error.message, ...(error.details as { kind?: string; limit?: number }) };
};

/** It is refused for this reason, and nothing else has changed. */
const expectRefused = async (office: Office, ask: () => Promise<unknown>, kind: string) => {
  const before = await everything(office);
  const refusal = await refusalOf(ask());
  expect(refusal).toMatchObject({ code: 'subagent.refused', kind });
  expect(await everything(office)).toBe(before);
  return refusal;
};

const orchestrator = { allowSubagents: true } as const;

describe('[SB-028] a sub-agent is refused, and nothing has changed,', () => {
  test('[SB-021] when its parent may not have any', async () => {
    const office = openOffice();
    const { agentId: parentId } = await office.manager.spawn({ task: 'hang on' });
    const spawn = () => office.manager.spawn({ task: 'hang on', parentId });
    const { message } = await expectRefused(office, spawn, 'nesting');
    expect(message).toMatch(/Nested sub-agent spawning is disabled/);
  });

  test('[SB-022] when it would be deeper than the limit; at the limit it is let in', async () => {
    const office = openOffice({ manager: { maxDepth: 3 } });
    const { spawn } = office.manager;
    let parentId: string | undefined;
    for (const depth of [1, 2, 3]) {
      const made = await spawn({ task: 'hang on', parentId, config: orchestrator });
      expect(made.depth).toBe(depth);
      parentId = made.agentId;
    }
    const refusal = await expectRefused(office, () => spawn({ task: 'hang on', parentId }), 'depth');
    expect(refusal).toMatchObject({ limit: 3, message: expect.stringMatching(/Max spawn depth \(3\) exceeded/) });
  });

  test('[SB-023] when as many as allowed are at work below its parent; those that have ended do not count', async () => {
    const office = openOffice({ manager: { maxChildrenPerAgent: 2 } });
    const { spawn, cancel } = office.manager;
    const [one, other] = await Promise.all([
      spawn({ task: 'hang on', config: orchestrator, scope: 'chat' }),
      spawn({ task: 'hang on', config: { routing: 'orchestrated' }, scope: 'chat' }),
    ]);
    const below = (parentId = one.agentId) => spawn({ task: 'hang on', parentId });
    const first = await below();
    await below();
    const refusal = await expectRefused(office, () => below(), 'children');
    expect(refusal).toMatchObject({ limit: 2, message: expect.stringMatching(/Max children per agent \(2\)/) });
    // another parent has room of its own
    await below(other.agentId);
    await cancel(first.agentId);
    await settle();
    await below();
    await expectRefused(office, () => below(), 'children');
  });

  test('[SB-023] when as many as allowed are at work for its session; the program itself is not counted', async () => {
    const office = openOffice({ manager: { maxChildrenPerAgent: 1 } });
    const { spawn } = office.manager;
    await spawn({ task: 'hang on', scope: 'chat' });
    await expectRefused(office, () => spawn({ task: 'hang on', scope: 'chat' }), 'children');
    await spawn({ task: 'hang on', scope: 'another chat' });
    await spawn({ task: 'hang on' });
    await spawn({ task: 'hang on' });
  });

  test('[SB-024] when as many as allowed are at work in all, those that have not begun among them', async () => {
    const office = openOffice({ manager: { maxTotal: 2 } });
    const { spawn, cancel } = office.manager;
    const first = await spawn({ task: 'hang on' });
    const several = await Promise.allSettled([spawn({ task: 'hang on' }), spawn({ task: 'hang on' })]);
    expect(several.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const refusal = await expectRefused(office, () => spawn({ task: 'hang on' }), 'total');
    expect(refusal).toMatchObject({
      limit: 2,
      message: expect.stringMatching(/Max total active sub-agents \(2\) reached/),
    });
    await cancel(first.agentId);
    await settle();
    await spawn({ task: 'hang on' });
  });

  test('[SB-025] a name for what is for one task is refused, as nobody could ask for it by that name', async () => {
    const office = openOffice();
    await expect(office.manager.spawn({ task: 'count', name: 'ann', config: { mode: 'run' } })).rejects.toMatchObject({
      code: 'subagent.invalid',
      message: expect.stringContaining('"ann"'),
    });
    expect(await office.manager.status()).toMatchObject({ total: 0 });
  });

  test.each([undefined, '', 'two words', 'päth', 'a/b', 'a.b'])(
    '[SB-025] when it is to go on and its name is %j',
    async (name) => {
      const office = openOffice();
      await expectRefused(
        office,
        () =>
          office.manager.spawn({ task: 'hang on', config: { mode: 'session' }, ...(name !== undefined && { name }) }),
        'name',
      );
    },
  );

  test('[SB-026] when its name is taken, by one that ran or by a profile that never did', async () => {
    const office = openOffice();
    await office.manager.spawn({ task: 'write', name: 'writer' });
    await office.manager.createProfile({ description: 'reads', name: 'reader' });
    for (const name of ['writer', 'reader']) {
      const refusal = await expectRefused(office, () => office.manager.spawn({ task: 'go on', name }), 'exists');
      expect(refusal.message).toMatch(/already exists.*[Rr]esume/);
    }
  });

  test('[SB-027, B-07, B-14] when as many names as allowed are kept; one that is kept already goes on all the same', async () => {
    const office = openOffice({ manager: { maxPersistent: 2 } });
    const { spawn, createProfile, resume, dispatch } = office.manager;
    await createProfile({ description: 'reads', name: 'reader' });
    await spawn({ task: 'hang on', name: 'writer' });
    const refusal = await expectRefused(office, () => spawn({ task: 'go', name: 'third' }), 'persistent');
    expect(refusal).toMatchObject({ limit: 2, message: expect.stringMatching(/Max persistent agents \(2\) reached/) });
    await expectRefused(office, () => createProfile({ description: 'a third one' }), 'persistent');
    await dispatch({ name: 'reader', request: 'read it' });
    await settle();
    await resume({ name: 'reader', task: 'read on' });
    // one that is for a single task needs no place
    await spawn({ task: 'hang on' });
  });

  test('[B-31] when a profile of a taken name would be one too many under its free name', async () => {
    const office = openOffice({ manager: { maxPersistent: 1 } });
    await office.manager.createProfile({ description: 'reads', name: 'reader' });
    const again = () => office.manager.createProfile({ description: 'reads', name: 'reader' });
    await expectRefused(office, again, 'persistent');
    expect((await office.manager.listPersistent()).map(({ name }) => name)).toEqual(['reader']);
  });

  test('[SB-095] when it is at work already', async () => {
    const office = openOffice();
    const { agentId } = await office.manager.spawn({ task: 'hang on', name: 'writer' });
    await settle();
    for (const ask of [
      () => office.manager.resume({ name: 'writer', task: 'go on' }),
      () => office.manager.resume({ agentId, task: 'go on' }),
      () => office.manager.dispatch({ name: 'writer', request: 'go on' }),
    ]) {
      const { message } = await expectRefused(office, ask, 'active');
      expect(message).toMatch(/already running.*currently running/);
    }
  });

  test('[B-11] when it would be below itself', async () => {
    const office = openOffice({ manager: { maxDepth: 5 } });
    const { spawn, resume, cancel } = office.manager;
    const a = await spawn({ task: 'a', config: orchestrator });
    const b = await spawn({ task: 'b', config: orchestrator, parentId: a.agentId });
    const c = await spawn({ task: 'c', config: orchestrator, parentId: b.agentId });
    await settle();
    for (const { agentId: parentId } of [a, b, c]) {
      const { message } = await expectRefused(
        office,
        () => resume({ agentId: a.agentId, task: 'again', parentId }),
        'cycle',
      );
      expect(message).toMatch(/cycle/);
    }
    expect(await cancel(a.agentId)).toEqual({ cancelled: false, descendants: 0 });
  });

  test('[SB-097] when what is below it would be too deep where it goes', async () => {
    const office = openOffice({ manager: { maxDepth: 2 } });
    const { spawn, resume, info } = office.manager;
    const top = await spawn({ task: 'top', config: orchestrator });
    const a = await spawn({ task: 'a', config: orchestrator });
    const b = await spawn({ task: 'b', parentId: a.agentId });
    await settle();
    await expectRefused(office, () => resume({ agentId: a.agentId, task: 'again', parentId: top.agentId }), 'depth');
    await resume({ agentId: b.agentId, task: 'again', parentId: null });
    expect(await info(b.agentId)).toMatchObject({ depth: 1, parentId: null });
    await settle();
    await resume({ agentId: a.agentId, task: 'again', parentId: top.agentId });
    expect(await info(a.agentId)).toMatchObject({ depth: 2, parentId: top.agentId });
    expect((await info(top.agentId))?.children).toEqual([a.agentId]);
  });

  test('[SB-095] when there is no room for one that goes on, either', async () => {
    const office = openOffice({ manager: { maxTotal: 1 } });
    const { agentId } = await office.manager.spawn({ task: 'a' });
    await settle();
    await office.manager.spawn({ task: 'hang on' });
    await expectRefused(office, () => office.manager.resume({ agentId, task: 'again' }), 'total');
  });
});

describe('[SB-020] of several reasons the first counts:', () => {
  test('[SB-021, SB-022, SB-024] no nesting, then depth, then room', async () => {
    const office = openOffice({ manager: { maxDepth: 1, maxTotal: 2 } });
    const { spawn } = office.manager;
    const leaf = await spawn({ task: 'hang on' });
    const other = await spawn({ task: 'hang on', config: orchestrator });
    await expectRefused(office, () => spawn({ task: 'x', parentId: leaf.agentId }), 'nesting');
    await expectRefused(office, () => spawn({ task: 'x', parentId: other.agentId }), 'depth');
    await expectRefused(office, () => spawn({ task: 'x' }), 'total');
  });

  test('[SB-023, SB-024, SB-025, SB-026, SB-027] children, then all, then the name, then whether it is taken, then how many names', async () => {
    const office = openOffice({ manager: { maxTotal: 2, maxChildrenPerAgent: 1, maxPersistent: 1 } });
    const { spawn, cancelAll } = office.manager;
    await spawn({ task: 'hang on', name: 'writer', scope: 'chat' });
    await spawn({ task: 'hang on' });
    const bad = { task: 'x', config: { mode: 'session' } } as const;
    await expectRefused(office, () => spawn({ ...bad, scope: 'chat' }), 'children');
    await expectRefused(office, () => spawn(bad), 'total');
    await cancelAll();
    await settle();
    await expectRefused(office, () => spawn(bad), 'name');
    await expectRefused(office, () => spawn({ task: 'x', name: 'writer' }), 'exists');
    await expectRefused(office, () => spawn({ task: 'x', name: 'reader' }), 'persistent');
  });
});

test('[SB-021] a parent that nobody knows is none', async () => {
  const { manager } = openOffice();
  expect(await manager.spawn({ task: 'hang on', parentId: 'sub_0000000000' })).toMatchObject({
    depth: 1,
    parentId: null,
  });
});

test('[SB-020, SB-029] its model is its own, else its parent’s, else that of the manager, else the runtime’s', async () => {
  const { manager, provider } = openOffice({ manager: { maxDepth: 3 } });
  const one = await manager.spawn({ task: 'hang one', config: { ...orchestrator, model: 'big' } });
  const two = await manager.spawn({ task: 'hang two', parentId: one.agentId });
  const three = await manager.spawn({ task: 'hang three' });
  await settle();
  expect(provider.requests.map(({ request }) => request.model)).toEqual(['big', 'big', 'm']);
  expect([one.model, two.model, three.model]).toEqual(['big', 'big', undefined]);
  expect((await manager.status()).active.map(({ model }) => model)).toEqual(['big', 'big', 'm']);
  const other = openOffice({ manager: { defaultModel: 'small', defaultToolProfile: 'research' } });
  const made = await other.manager.spawn({ task: 'hang on' });
  expect(made).toMatchObject({ model: 'small', config: { toolProfile: 'research' } });
  const said = await other.manager.spawn({ task: 'hang on', config: { model: 'm', toolProfile: 'core' } });
  expect(said).toMatchObject({ model: 'm', config: { toolProfile: 'core' } });
});

test.each([
  [{ task: '  ' }, /no task/],
  [{ task: 'x', config: { maxTurns: 0 } }, /maxTurns/],
  [{ task: 'x', config: { role: 'nobody' } }, /Unknown role/],
  [{ task: 'x', config: { provider: 'none' } }, /provider/],
] as const)('[SB-028] what cannot be meant is an error, and nothing has changed: %j', async (request, message) => {
  const office = openOffice();
  const before = await everything(office);
  const refusal = await refusalOf(office.manager.spawn(request));
  expect(refusal).toMatchObject({ code: 'subagent.invalid', message: expect.stringMatching(message) });
  expect(await everything(office)).toBe(before);
});
