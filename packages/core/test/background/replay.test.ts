import { memoryStore } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { expect, test } from 'vitest';
import { deliveriesIn, openOffice } from './office.ts';

test('a run that heard what its units came to is told it again, and so is a unit', async () => {
  const { runtime, lead, pass, units } = openOffice();
  await runtime.run(lead, 'do: send a; say so', { runId: 'r' }).then(() => pass(1_000));
  const session = runtime.session(lead, { sessionKey: 'r' });
  const run = await session.send('do: send b; work 1500');
  await pass(1_000);
  await pass(500);
  await run.ended;
  for (const runId of ['r', run.id, ...(await units()), ...(await runtime.runs.list()).map((row) => row.runId)]) {
    const { steps, snapshot } = await runtime.replay(runId);
    expect(steps.length).toBeGreaterThan(1);
    expect(snapshot.status).toBe('done');
  }
  const { steps } = await runtime.replay(run.id);
  expect(steps.filter(({ heard }) => heard.type === 'deliver')).toHaveLength(1);
});

test('a fork of a run that sent something off is a conversation of its own: it hears of its own units only', async () => {
  const store = memoryStore();
  const { runtime, lead, pass, events, units } = openOffice({ store, open: true });
  const session = runtime.session(lead, { sessionKey: 'k' });
  const run = await session.send('do: send a; work 3000; send b', { runId: 'r' });
  await pass(1_000);
  const at = events.findLast(({ type, runId }) => type === 'call.started' && runId === 'r') as RunEvent & {
    id: string;
  };
  // when it is forked with a letter in hand that it has not heard
  expect((store.checkpoint('r') as { context?: { mail?: unknown[] } }).context?.mail).toHaveLength(1);
  const fork = await runtime.fork('r', { at: at.id });
  expect(await runtime.runs.get(fork.id)).not.toHaveProperty('sessionKey');
  await pass(3_000);
  await run.ended;
  await fork.ended;
  const [a = '', ...sentLater] = await units();
  // then the letter is heard where it was sent, and not in the fork
  expect(deliveriesIn(events)[a]).toEqual(['r']);
  expect(store.sessionInbox()).toEqual([]);
  // and each conversation hears of what it sent off since
  await pass(1_000);
  expect(sentLater).toHaveLength(2);
  const rows = await Promise.all(sentLater.map((unitId) => runtime.runs.get(unitId)));
  expect(new Set(rows.map((row) => row?.sessionKey))).toEqual(new Set(['k', fork.id]));
  for (const unitId of sentLater) expect(deliveriesIn(events)[unitId]).toEqual([`wake_${unitId}`]);
  expect((await runtime.runs.list({ sentTo: fork.id })).map(({ after }) => after)).toEqual([fork.id]);
});

test('a unit is forked as a run that nobody waits for, or not at all', async () => {
  const { runtime, lead, pass, units, events } = openOffice();
  await runtime.run(lead, 'do: send a', { runId: 'r' });
  await pass(1_000);
  const [unitId = ''] = await units();
  const turn = events.find(({ type, runId }) => type === 'turn.started' && runId === unitId) as RunEvent & {
    id: string;
  };
  await expect(runtime.fork(unitId, { at: turn.id })).rejects.toMatchObject({ code: 'agent.unknown' });
});
