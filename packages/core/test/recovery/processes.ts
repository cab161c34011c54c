/** Programs beside each other, each in a process of its own, and what they execute. */
import { createRuntime, defineAgent, defineTool, memoryStore, type RuntimeOptions, spawned } from '@troupe/core';
import type { LiveEvent, LiveRelay, StoredEvent } from '@troupe/protocol';
import { type Death, mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import { onTestFinished } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { silent } from './program.ts';

export const leaseMs = 30_000;
/**
 * Programs at one store: what one stores, the others notice at once. `own: false`: a process is not told of what it stored itself, as
 * the port allows.
 */
export const machine = ({ own = true } = {}) => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const listeners = new Map<() => void, number>();
  const hearers = new Set<{ me: number; rootId: string | undefined; heard: (event?: LiveEvent) => void }>();
  let processes = 0;
  let ids = 0;
  const boot = (script: Script, options: Partial<RuntimeOptions> = {}, death?: Death) => {
    const me = processes++;
    const noticed =
      <A extends unknown[], R>(write: (...given: A) => R) =>
      (...given: A): R => {
        const answer = write(...given);
        for (const [heard, whose] of [...listeners]) if (own || whose !== me) setImmediate(heard);
        return answer;
      };
    const changes = (heard: () => void) => {
      listeners.set(heard, me);
      return () => void listeners.delete(heard);
    };
    const live: LiveRelay = {
      tell(event) {
        for (const { me: its, rootId, heard } of hearers)
          if (its !== me && (rootId === undefined || rootId === event.rootId)) setImmediate(heard, event);
      },
      listen(rootId, heard) {
        const hearer = { me, rootId, heard };
        hearers.add(hearer);
        return () => void hearers.delete(hearer);
      },
    };
    const shared = { ...base, commit: noticed(base.commit), post: noticed(base.post), changes, live };
    const mortal = mortalStore({ ...shared, lasting: true }, death);
    const runtime = createRuntime({
      provider: scriptedProvider(script),
      model: 'm',
      clock,
      ids: { next: (kind) => `${kind}${ids++}` },
      store: mortal.store,
      leaseMs,
      logger: silent,
      ...options,
    });
    onTestFinished(async () => {
      if (mortal.dead) return;
      const closed = runtime.close({ runs: 'interrupt', graceMs: 0 });
      await settle();
      // What others execute may not end any more.
      clock.increment(1);
      await closed;
    });
    return { runtime, mortal };
  };
  const eventsOf = (rootId: string) => [...(base.events({ rootId }) as Iterable<StoredEvent>)];
  const pass = async (times = 6) => {
    for (let i = 0; i < times; i++) {
      clock.increment(leaseMs / 3);
      await settle();
    }
  };
  return { clock, base, boot, eventsOf, listeners, hearers, pass };
};
export const clerk = defineAgent({ name: 'clerk', instructions: '' });
export const hangs: Script = () => ({ hang: true });
/** What has become of a promise by now. */
export const watch = <T>(promise: Promise<T>) => {
  const seen: { value?: T; error?: unknown; state: string } = { state: 'pending' };
  promise.then(
    (value) => Object.assign(seen, { value, state: 'settled' }),
    (error: unknown) => Object.assign(seen, { error, state: 'rejected' }),
  );
  return seen;
};
/** A run that waits for its model in one process, and a handle of it in another one. */
export const apart = async (script: Script = hangs, options: Partial<RuntimeOptions> = { agents: [clerk] }) => {
  const world = machine();
  const there = world.boot(script, { agents: [clerk] });
  const here = world.boot([], options);
  const executed = there.runtime.start(clerk, 'go', { runId: 'root' });
  await settle();
  return { ...world, there, here, executed, run: await here.runtime.attach('root') };
};
const risky = defineTool({
  name: 'risky',
  description: 'Risky.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'did it',
});
export const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [risky] });
const down = defineTool({
  name: 'down',
  description: '',
  inputSchema: z.object({}),
  execute: () => spawned([{ agent: leaf, job: 'x' }]),
  settle: ([report]) => ({ content: report?.text ?? '' }),
});
export const top = defineAgent({ name: 'top', instructions: '', tools: [down] });
/** The lowest of two asks a person. */
export const asking: Script = ({ messages }, { agent }) => {
  const [heard] = messages.filter(({ role }) => role === 'tool');
  if (heard) return `${agent}: ${String(heard.content)}`;
  return { calls: [{ name: agent === 'leaf' ? 'risky' : 'down', arguments: {} }] };
};
