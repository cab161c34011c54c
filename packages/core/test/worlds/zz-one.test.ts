import { readFileSync } from 'node:fs';
import { test, vi } from 'vitest';
import { arm } from './bombs.ts';
import { live } from './world.ts';
import { findingsIn } from './world-laws.ts';
vi.mock(import('../../src/agent/agent-machine.ts'), async (original) => {
  const { mined } = await import('./bombs.ts');
  const real = await original();
  return { ...real, agentMachine: mined(real.agentMachine) };
});
test('one', async () => {
  const plan = JSON.parse(readFileSync('/tmp/one.json', 'utf8'));
  arm(plan.bombs);
  const w = await live(plan);
  for (const e of w.events) console.log(e.type, e.runId, e.seq, 'rootSeq' in e ? e.rootSeq : '', (e as any).childId ?? (e as any).exitReason ?? '', JSON.stringify((e as any).fault?.message) ?? '');
  console.log(await findingsIn(w));
});
