import { defineTool, type OwnRuns } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { nested } from './nested.ts';
import { openOffice, sending } from './office.ts';

/** Keeps what its run may know of the runs below it, by the run's id. */
const watching = () => {
  const runs = new Map<string, OwnRuns>();
  const watch = defineTool({
    name: 'check',
    description: 'Looks.',
    inputSchema: z.object({}),
    execute: (_input, context) => {
      runs.set(context.runId, context.runs);
      return 'looked';
    },
  });
  return { watch, of: (runId: string) => runs.get(runId) as OwnRuns };
};

describe('a tool knows of the runs below its own', () => {
  const idsOf = async (runs: OwnRuns) => (await runs.list()).map(({ runId }) => runId);

  test('its units, theirs, and everything below them; and of no other run', async () => {
    const { watch, of } = watching();
    const { runtime, lead, pass, units } = openOffice({ agent: { tools: [sending({}, nested), watch] } });
    const session = runtime.session(lead, { sessionKey: 'k' });
    const first = await session.send('do: ask; send inner', { runId: 'first' });
    await first.ended;
    await pass();
    runtime.start(lead, 'do: ask; send hang', { runId: 'other', sessionKey: 'k' });
    await pass();
    const [outer = '', inner = '', others = ''] = await units();
    // the chief inside has ended: what it sent off has not
    expect(await idsOf(of('first'))).toEqual([inner, `${inner}/1-0/0`]);
    expect(await idsOf(of('other'))).toEqual([others, `${others}/1-0/0`]);
    for (const stranger of ['first', 'other', others, `${others}/1-0/0`, 'nobody']) {
      const unknown = { code: 'run.unknown', message: `There is no run "${stranger}" below this one.` };
      await expect(of('first').interrupt(stranger)).rejects.toMatchObject(unknown);
      await expect(of('first').steer(stranger, 'Hey.')).rejects.toMatchObject(unknown);
    }
    expect(await of('first').steer(`${inner}/1-0/0`, 'Hurry.')).toMatchObject({ status: 'deferred' });
    // one that has ended is known, and says so
    expect(await of('first').interrupt(outer)).toMatchObject({ status: 'rejected' });
    expect(await of('first').interrupt(inner, 'enough')).toEqual({ status: 'accepted' });
    await pass();
    expect(await runtime.runs.get(inner)).toMatchObject({ status: 'interrupted' });
    expect((await runtime.runs.get(others))?.status).toBe('running');
  });

  test('its children at work, oldest first, and not those of the runs beside it', async () => {
    const { watch, of } = watching();
    const team = sending({}, { name: 'send', execute: nestedChildren });
    const { runtime, lead, pass } = openOffice({ agent: { tools: [team, watch] } });
    runtime.start(lead, 'do: ask; send hang,hang', { runId: 'a' });
    runtime.start(lead, 'do: ask; send hang', { runId: 'b' });
    await pass();
    expect(await idsOf(of('a'))).toEqual(['a/2-0/0', 'a/2-0/1']);
    expect(await idsOf(of('b'))).toEqual(['b/2-0/0']);
    await expect(of('a').interrupt('b/2-0/0')).rejects.toMatchObject({ code: 'run.unknown' });
    expect(await of('a').interrupt('a/2-0/1')).toEqual({ status: 'accepted' });
    await pass();
    expect(await idsOf(of('a'))).toEqual(['a/2-0/0']);
  });
});

async function nestedChildren(input: unknown): Promise<never> {
  const { spawned } = await import('@troupe/core');
  const { helper } = await import('./office.ts');
  const { jobs } = input as { jobs: string[] };
  return spawned(jobs.map((job) => ({ agent: helper, job }))) as never;
}
