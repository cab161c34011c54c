/** How what was in flight at a cut is known to have ended, because the tree that was cut went on. */
import { noUsage, type Usage } from '@troupe/protocol';
import type { SnapshotFrom } from 'xstate';
import type { AgentMachine } from '../agent/agent-machine.ts';
import type { ClosedTurn, GivenTurn, RunFact } from '../agent/context.ts';
import type { CallOutcome } from '../agent/outcome.ts';
import { itemsOf } from '../agent/rows.ts';
import type { RunRecord } from './read-run.ts';
import { heardIn } from './replay.ts';

type Snapshot = SnapshotFrom<AgentMachine>;

/** What a run hears while it goes on with what it was doing. */
const passing = new Set([
  'model.used',
  'model.attempted',
  'steer',
  'raise',
  'pauseSpawning',
  'resumeSpawning',
  'warning',
  'limit.near',
  'stall.noticed',
  'child.answered',
  'strays.gone',
]);
/** After these nothing that a call is said to have come to is what it was on its way to. */
const breaks = new Set([
  'turn.closed',
  'interrupt',
  'limit.reached',
  'stall.lasted',
  'recovered',
  'run.recovered',
  'run.closed',
]);

/** What a run heard after a cut. */
export const laterThan = ({ entries, events }: RunRecord, until: number): RunFact[] =>
  heardIn(
    entries.filter(({ rootSeq }) => rootSeq > until),
    events,
  ).map(({ heard }) => heard as unknown as RunFact);

/** What an actor of a run would come to, and came to before: its input has it, and nobody is asked. */
export type Given = { worker: 'model' | 'summarizer' | 'memory'; given: GivenTurn | RunFact; usage: Usage };

const priced = ({ usage, costUsd }: { usage: Usage; costUsd: number | null }): Usage =>
  costUsd === null ? usage : { ...usage, costUsd };

const givenTurn = ({ text, reasoning, calls, model, finish, ...cost }: ClosedTurn): GivenTurn => ({
  text,
  ...(reasoning !== undefined && { reasoning }),
  calls,
  usage: priced(cost),
  ...(model !== undefined && { model }),
  finish,
});

/** What the run was waiting for, when it is known how that ended: a turn, a summary, a memory. */
export const knownAnswer = (later: readonly RunFact[], snapshot: Snapshot): Given | undefined => {
  const next = later.find(({ type }) => !passing.has(type));
  const waitsIn = (state: string) => snapshot.matches({ running: state });
  if (next?.type === 'turn.closed' && waitsIn('thinking'))
    return { worker: 'model', given: givenTurn(next.turn), usage: priced(next.turn) };
  if (next?.type === 'context.summarized' && waitsIn('compacting'))
    return { worker: 'summarizer', given: next, usage: priced(next) };
  if (next?.type === 'memory.recalled' && waitsIn('recalling') && next.problem === undefined)
    return { worker: 'memory', given: next, usage: noUsage };
  return undefined;
};

/** What calls came to that executed then. A call that had children, or got some, is not among them: they go on, or another way. */
export const knownOutcomes = (later: readonly RunFact[], snapshot: Snapshot): Record<number, CallOutcome> => {
  const known: Record<number, CallOutcome> = {};
  const { calls } = snapshot.context.run;
  const open = new Set(
    itemsOf(calls).flatMap(({ phase, children }, index) =>
      phase === 'running' && children.length === 0 ? [index] : [],
    ),
  );
  for (const fact of later) {
    if (breaks.has(fact.type)) break;
    if (fact.type === 'call.spawns') open.delete(fact.index);
    if (fact.type !== 'call.settled' || !open.delete(fact.index)) continue;
    known[fact.index] = fact.outcome;
  }
  return known;
};
