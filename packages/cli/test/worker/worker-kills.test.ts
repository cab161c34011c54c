import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkRunLaws } from '@troupe/testing';
import { expect, test } from 'vitest';
import { freshFolder, linesOf, startTroupe, troupe } from '../shell.ts';
import { freshDatabase } from './database.ts';
import { fleet, startWorker } from './fleet-processes.ts';

/** Each takes as long as a lease: the long form only, `npm run soak -- --workers N`. */
const kills = Number(process.env.WORKER_KILLS ?? 1);

test('a worker that is killed loses its runs to another one within 15 seconds', {
  timeout: 60_000 * (kills + 1),
}, async () => {
  const [folder, store] = [freshFolder(), await freshDatabase()];
  let worker = await startWorker(folder, store);
  const took: number[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const id = `r${kill}`;
    const run = startTroupe(folder, ['run', fleet, 'dig dig', '--id', id, '--remote', '--store', store, '--json']);
    await Promise.all([worker.of('run.taken', `${id}/1-0/0`), worker.of('run.taken', `${id}/1-0/1`)]);
    const next = await startWorker(folder, store);
    const at = performance.now();
    worker.child.kill('SIGKILL');
    await Promise.all([next.of('run.taken', `${id}/1-0/0`), next.of('run.taken', `${id}/1-0/1`)]);
    took.push(performance.now() - at);
    const gate = join(folder, 'open');
    writeFileSync(gate, '');
    expect(JSON.parse((await run.ended).stdout)).toMatchObject({ status: 'completed', text: 'All: dug, dug' });
    const { stdout } = await troupe(folder, ['runs', 'events', id, '--store', store, '--json']);
    expect(checkRunLaws(linesOf(stdout))).toEqual([]);
    rmSync(gate);
    worker = next;
  }
  await worker.stop();
  console.log(`Taken over after ${took.map((ms) => `${(ms / 1_000).toFixed(1)} s`).join(', ')}`);
  expect(Math.max(...took)).toBeLessThan(15_000);
});
