import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent, inlinePlacement, type RuntimeOptions } from '@troupe/core';
import { createDelegateTool } from '@troupe/delegation';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws, type Script, scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { listOf } from './support/list-of.ts';

const delegate = createDelegateTool({ background: false, maxSpawnDepth: 2, files: false });
const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [delegate] });
const call = (args: object) => ({ calls: [{ name: 'delegate_task', arguments: args }] });

/** As the guide says it. */
const place: RuntimeOptions['place'] = ({ job }) => {
  const { role } = (job.metadata?.delegation ?? {}) as { role?: string };
  return role === 'orchestrator' ? 'local' : { queue: 'leaves' };
};

test('children are placed by their role: orchestrators beside their parent, leaves where leaves are served', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-roles-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const placement = inlinePlacement();
  const boot = (script: Script) => {
    const store = sqliteStore({ path: join(folder, 'runs.db'), durability: 'normal' });
    const provider = scriptedProvider(script);
    const runtime = createRuntime({ provider, model: 'm', store, agents: [lead], placement, place });
    onTestFinished(async () => {
      await runtime.close();
      await store.close();
    });
    return { runtime, store, provider };
  };
  const says: Script = ({ messages }, { depth }) => {
    if (messages.at(-1)?.role === 'tool') return `over at ${depth}`;
    if (depth === 0) return call({ tasks: [{ goal: 'plan', role: 'orchestrator' }, { goal: 'look' }] });
    return depth === 1 && String(messages.at(-1)?.content).includes('plan') ? call({ goal: 'dig' }) : 'found';
  };
  const program = boot(says);
  const worker = boot(says);
  await worker.runtime.serve({ workerId: 'w', queues: ['leaves'], concurrency: 2 });
  const { status } = await program.runtime.start(lead, 'Go.', { runId: 'root' }).report;
  expect(status).toBe('completed');
  const rows = program.store.list({ rootId: 'root' }).map(({ runId, placed }) => [runId, placed?.queue]);
  expect(new Map(rows as [string, string | undefined][])).toEqual(
    new Map([
      ['root', undefined],
      ['root/1-0/0', undefined],
      ['root/1-0/1', 'leaves'],
      ['root/1-0/0/1-0/0', 'leaves'],
    ]),
  );
  expect(worker.provider.requests.map(({ context }) => context.runId).toSorted()).toEqual([
    'root/1-0/0/1-0/0',
    'root/1-0/1',
  ]);
  expect(checkRunLaws(await listOf(program.store.events({ rootId: 'root' })))).toEqual([]);
});
