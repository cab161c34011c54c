/** Random trees of runs, played on a real runtime: what each run does stands in its job. */
import { type AnyAgent, createRuntime, type Runtime, spawned } from '@troupe/core';
import { isTerminal, type RunEvent, textOfMessage } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { SimulatedClock } from 'xstate';
import { leadOf, settle, toolOf } from './team.ts';

/** What a run does in one turn, and how it ends. */
type Step = { echo: number; broken: boolean; asks: boolean; sameIds: boolean; children: Plan[] };
export type Plan = { steps: Step[]; end: 'answer' | 'fail' | 'hang' };

const planOf = (depth: number): fc.Arbitrary<Plan> =>
  fc.record({
    steps: fc.array(
      fc.record({
        echo: fc.nat(2),
        broken: fc.boolean(),
        asks: fc.boolean(),
        sameIds: fc.boolean(),
        children: depth === 0 ? fc.constant([]) : fc.array(planOf(depth - 1), { maxLength: 2 }),
      }),
      { maxLength: 2 },
    ),
    end: fc.constantFrom('answer', 'answer', 'answer', 'fail', 'hang'),
  });
/** Trees that run side by side. */
export const plans = fc.array(planOf(2), { minLength: 1, maxLength: 3 });

const turnOf = ({ steps, end }: Plan, turn: number): Turn => {
  const step = steps[turn - 1];
  if (!step) return end === 'answer' ? 'Done.' : end === 'fail' ? { fault: { code: 'model.refused' } } : { hang: true };
  const id = step.sameIds ? { id: 'same' } : {};
  const call = (name: string, text = '') => ({ name, arguments: { text }, ...id });
  return {
    delayMs: 3,
    calls: [
      ...(step.children.length > 0 ? [call('team', JSON.stringify(step.children))] : []),
      ...Array.from({ length: step.echo + (step.children.length > 0 ? 0 : 1) }, () => call('echo')),
      ...(step.broken ? [call('broken')] : []),
      ...(step.asks ? [call('drop')] : []),
    ],
  };
};

const team = toolOf({
  name: 'team',
  execute: ({ text }) =>
    spawned(
      (JSON.parse(text) as Plan[]).map((job) => ({ agent: worker, job: JSON.stringify(job), onPaused: 'bubble' })),
    ),
  settle: (reports) => ({ data: reports.length }),
});
const broken = toolOf({
  name: 'broken',
  execute: () => {
    throw new Error('It broke.');
  },
});
const worker: AnyAgent = leadOf({
  name: 'worker',
  tools: [team, broken, toolOf(), toolOf({ name: 'drop', confirm: true })],
});

export type Played = { runtime: Runtime; roots: string[]; events: RunEvent[] };

/** Plays plans to their end: questions are answered, what hangs is interrupted. */
export const play = async (plansOfRoots: readonly Plan[], watch: (runtime: Runtime) => void): Promise<Played> => {
  const clock = new SimulatedClock();
  let ids = 0;
  const runtime = createRuntime({
    provider: scriptedProvider(({ messages }, { turn }) =>
      turnOf(JSON.parse(textOfMessage(messages.find(({ role }) => role === 'user')!)) as Plan, turn),
    ),
    model: 'house/small',
    clock,
    ids: { next: (kind) => `${kind}${++ids}` },
    budget: { concurrency: 2 },
    logger: { warn() {}, error() {} },
  });
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => {
    events.push(event);
  });
  watch(runtime);
  const runs = plansOfRoots.map((each) => runtime.start(worker, JSON.stringify(each)));
  let told = -1;
  while (told < events.length) {
    told = events.length;
    await settle(3);
    clock.increment(3);
    await settle(3);
    for (const run of runs) for (const { id } of run.questions) await run.answer(id, true);
  }
  for (const run of runs) await run.interrupt();
  await Promise.all(runs.map((run) => run.ended));
  const roots = runs.map(({ id }) => id);
  if (events.filter((event) => isTerminal(event) && event.depth === 0).length < roots.length)
    throw new Error('A run did not end.');
  return { runtime, roots, events };
};
