import fc from 'fast-check';
import { calmPlans } from './plan.ts';
import { live } from './world.ts';
console.warn = () => {};
const stats: Record<string, number> = {};
let runs = 0, ev = 0, max = 0, deep = 0;
for (const plan of fc.sample(calmPlans, { seed: 5, numRuns: 2000 })) {
  const w = await live(plan);
  ev += w.events.length; max = Math.max(max, w.events.length);
  for (const e of w.events) {
    const key = [e.type, (e as any).exitReason ?? (e as any).reason ?? (e as any).code ?? (e as any).kind ?? '', e.type === 'call.failed' ? (e as any).status + ((e as any).timedOut ? ' timedOut' : '') + ((e as any).cancelled ? ' cancelled' : '') : ''].join(' ');
    stats[key] = (stats[key] ?? 0) + 1;
    if (e.type === 'run.started') { runs++; deep = Math.max(deep, e.depth); }
  }
}
console.log(Object.entries(stats).sort().map((e) => e.join(': ')).join('\n'), runs, ev, max, deep);
process.exit(0);
