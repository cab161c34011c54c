import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { calmPlans } from './plan.ts';
import { live } from './world.ts';
console.warn = () => {};
let n = 0;
const t0 = performance.now();
const mod = Number(process.argv[3] ?? 0);
const r = await fc.check(fc.asyncProperty(calmPlans, async (plan) => {
  n++;
  writeFileSync('/tmp/shrink-plan.json', JSON.stringify(plan));
  const w = await live(plan);
  const types = w.events.map((e) => e.type);
  const bad = [() => plan.features.includes('slow store') && types.includes('child.settled'), () => types.filter((t) => t === 'run.started').length > 3, () => types.includes('question.answered') && types.includes('run.failed')][mod]!;
  if (bad()) throw new Error('x');
}), { seed: Number(process.argv[2]), numRuns: 1000 });
console.log(n, r.numShrinks, (performance.now() - t0) / 1000, 's');
process.exit(0);
