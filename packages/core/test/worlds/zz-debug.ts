import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { calmPlans } from './plan.ts';
import { live } from './world.ts';
import { findingsIn } from './world-laws.ts';
const seed = Number(process.argv[2] ?? 1);
const n = Number(process.argv[3] ?? 500);
const seen = new Map<string, number>();
const t0 = performance.now();
let count = 0;
for (const plan of process.argv[4] ? [JSON.parse(readFileSync(process.argv[4], 'utf8'))] : fc.sample(calmPlans, { seed, numRuns: n })) {
  writeFileSync('/tmp/last-plan.json', JSON.stringify(plan));
  const found = await findingsIn(await live(plan));
  count++;
  for (const f of found) {
    const key = f.replace(/run\d+(\/[\d-]+)*/g, 'R').replace(/\d+/g, 'N').replace(/(R:N ?)+/g,'Rs').slice(0, 140);
    if (!seen.has(key)) { console.log(key, '\n   ', f.slice(0,300), '\n   ', JSON.stringify(plan)); }
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
}
console.log(count, 'worlds', ((performance.now() - t0) / count).toFixed(2), 'ms each', Object.fromEntries(seen));
process.exit(0);
