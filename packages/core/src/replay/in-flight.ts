/** How what was in flight at a cut is known to have ended, because the tree that was cut went on. */
import type { StoredEvent } from '@troupe/protocol';
import type { SnapshotFrom } from 'xstate';
import type { AgentMachine } from '../agent/agent-machine.ts';
import type { ClosedTurn, GivenTurn, RunFact } from '../agent/context.ts';
import type { CallOutcome } from '../agent/outcome.ts';
import { unfoldHeard } from '../run/journal.ts';
import type { RunRecord } from './read-run.ts';

type Snapshot = SnapshotFrom<AgentMachine>;

/** What a run hears while it goes on with what it was doing. */
const passing = new Set(['model.used', 'model.attempted', 'steer', 'warning', 'limit.near']);
/** After these nothing that a call is said to have come to is what it was on its way to. */
const breaks = new Set(['turn.closed', 'interrupt', 'limit.reached', 'recovered', 'run.recovered', 'run.closed']);

const laterThan = ({ entries, events }: RunRecord, until: number): RunFact[] =>
  entries
    .filter(({ rootSeq }) => rootSeq > until)
    .map(({ heard }) => unfoldHeard(heard, (seq): StoredEvent | undefined => events[seq - 1]) as unknown as RunFact);

const givenOf = ({ text, reasoning, calls, usage, costUsd, model, finish }: ClosedTurn): GivenTurn => ({
  text,
  ...(reasoning !== undefined && { reasoning }),
  calls,
  usage: costUsd === null ? usage : { ...usage, costUsd },
  ...(model !== undefined && { model }),
  finish,
});

/** What the model answered in the turn in hand. */
export const knownTurn = (run: RunRecord, until: number, snapshot: Snapshot): GivenTurn | undefined => {
  if (!snapshot.matches({ running: 'thinking' })) return undefined;
  const next = laterThan(run, until).find(({ type }) => !passing.has(type));
  return next?.type === 'turn.closed' ? givenOf(next.turn) : undefined;
};

/** What calls came to that executed then. A call that had children, or got some, is not among them: they go on, or another way. */
export const knownOutcomes = (run: RunRecord, until: number, snapshot: Snapshot): Record<number, CallOutcome> => {
  const known: Record<number, CallOutcome> = {};
  const { calls } = snapshot.context;
  const open = new Set(
    calls.flatMap(({ phase, children }, index) => (phase === 'running' && children.length === 0 ? [index] : [])),
  );
  for (const fact of laterThan(run, until)) {
    if (breaks.has(fact.type)) break;
    if (fact.type === 'call.spawns') open.delete(fact.index);
    if (fact.type !== 'call.settled' || !open.delete(fact.index)) continue;
    known[fact.index] = fact.outcome;
  }
  return known;
};
