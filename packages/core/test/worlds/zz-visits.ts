import fc from 'fast-check';
import { initialTransition, transition } from 'xstate';
import { agentMachine } from '../../src/agent/agent-machine.ts';
import { anyInput, eventIn, happening } from './any-event.ts';
console.warn = () => {};
const seen: Record<string, number> = {};
for (const [input, events] of fc.sample(fc.tuple(anyInput, fc.array(happening, { maxLength: 40 })), { seed: 1, numRuns: 500 })) {
  let s = initialTransition(agentMachine, input)[0];
  const visit = () => { const k = JSON.stringify(s.value); seen[k] = (seen[k] ?? 0) + 1; const c = s.context; if (c.live) seen['live children'] = (seen['live children'] ?? 0) + 1; if (c.stuck) seen.stuck = (seen.stuck ?? 0) + 1; if (c.queue.length) seen.queue = (seen.queue ?? 0) + 1; };
  visit();
  for (const e of events) { if (s.status !== 'active') break; s = transition(agentMachine, s, eventIn(s.value, s.context, e))[0]; visit(); }
}
console.log(seen);
