/**
 * Workers are killed, and stopped for longer than their leases and let go on; the database is restarted; each walker is told something
 * on its way. Whatever happens, each ends once, hears it once, and takes each step once. The long form: `npm run soak -- --chaos 60`.
 */
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isTerminal, type StoredEvent } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';
import { expect, test } from 'vitest';
import { type Child, startProgram } from '../support/children.ts';
import { listOf } from '../support/list-of.ts';
import { ownServer } from '../tools/postgres/server.ts';
import { boot, lead } from './program.ts';

const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));

const long = process.env.CHAOS === undefined ? undefined : Number(process.env.CHAOS);
const { roots, walkers, steps, stepMs, kills, stops } = long
  ? { roots: 4, walkers: Math.ceil(long / 4), steps: 250, stepMs: 100, kills: 7, stops: 3 }
  : { roots: 2, walkers: 4, steps: 40, stepMs: 100, kills: 1, stops: 1 };
/** Longer than a lease, and than the engine waits for a sign of life. */
const hangMs = 14_000;

test(`${roots * walkers} walkers of ${steps} steps on three workers that die, hang and lose their database end once each [L1–L7, I2–I6]`, {
  timeout: long ? 900_000 : 180_000,
}, async () => {
  const server = await ownServer();
  const schema = 'chaos';
  const said: string[] = [];
  const logger = {
    warn: (message: string) => void said.push(message),
    error: (message: string) => void said.push(message),
  };
  const { runtime, store, close } = boot(server.url, schema, { logger });
  let hired = 0;
  const fleet: Child[] = [];
  const all: Child[] = [];
  const hire = async (at: number): Promise<void> => {
    const child = startProgram(worker, [server.url, schema, `w${hired++}`, '32']);
    fleet[at] = child;
    all.push(child);
    await child.says(1);
  };
  try {
    await Promise.all([0, 1, 2].map(hire));
    const job = { walkers, steps, stepMs };
    const runs = Array.from({ length: roots }, (_, n) => runtime.start(lead, { input: job }, { runId: `root${n}` }));
    const startedAt = performance.now();
    const eventsOf = (rootId: string): Promise<StoredEvent[]> => listOf(store.events({ rootId }));
    const children = runs.flatMap(({ id }) => Array.from({ length: walkers }, (_, n) => `${id}/1-0/${n}`));

    /** Each walker is told something, at a moment of its own. */
    const steering = Promise.all(
      children.map(async (runId, n) => {
        await setTimeout(1_000 + ((n * 7_919) % (steps * stepMs * 0.6)));
        const receipt = await (await runtime.attach(runId)).steer('Hurry.');
        return receipt.status === 'rejected' ? receipt.reason : receipt.status;
      }),
    );
    const breaking = (async () => {
      const deeds = [
        ...Array.from({ length: kills }, () => 'kill'),
        ...Array.from({ length: stops }, () => 'stop'),
      ].map((deed, n, every) => (n % 2 === 0 ? deed : (every.at(-n) ?? deed)));
      const hangs: Promise<void>[] = [];
      for (const [n, deed] of deeds.entries()) {
        await setTimeout(2_500);
        const at = n % 3;
        const victim = fleet[at];
        if (!victim) continue;
        if (deed === 'kill') await victim.kill();
        else {
          victim.process.kill('SIGSTOP');
          hangs.push(
            setTimeout(hangMs)
              .then(() => void victim.process.kill('SIGCONT'))
              // Until it has noticed what became of what it had.
              .then(() => setTimeout(2_000)),
          );
        }
        if (n === Math.floor(deeds.length / 2)) {
          await server.stop();
          await server.start();
        }
        await hire(at);
      }
      await Promise.all(hangs);
    })();

    const reports = await Promise.all(runs.map(({ ended }) => ended));
    const tookMs = performance.now() - startedAt;
    await breaking;
    expect(await steering).toEqual(
      children.map(() => 'accepted').map(() => expect.stringMatching(/accepted|deferred/)),
    );
    for (const { status, text } of reports)
      expect([status, text]).toEqual(['completed', Array.from({ length: walkers }, () => `${steps}+1`).join(', ')]);
    for (const { id } of runs) {
      const events = await eventsOf(id);
      expect(events.map(({ rootSeq }) => rootSeq)).toEqual(events.map((_, i) => i + 1));
      expect(checkRunLaws(events)).toEqual([]);
      const ends = events.filter(isTerminal);
      expect(ends).toHaveLength(walkers + 1);
      expect(events.filter(({ type }) => type === 'run.steered')).toHaveLength(walkers);
      expect(events.filter(({ type, runId }) => type === 'call.completed' && runId !== id)).toHaveLength(
        walkers * steps,
      );
    }
    const fenced = all.flatMap((child) => child.said).filter((line) => 'fenced' in (line as object)).length;
    const recovered = (await Promise.all(runs.map(({ id }) => eventsOf(id)))).flat();
    console.log(
      `${children.length} walkers took ${(tookMs / 1_000).toFixed(1)} s (undisturbed ${((steps * stepMs) / 1_000).toFixed(0)}), were taken over ${
        recovered.filter(({ type }) => type === 'run.recovered').length
      } times; ${fenced} trees of zombies were fenced`,
    );
  } finally {
    for (const child of all) child.process.kill('SIGKILL');
    await close();
    await server.end();
  }
});
