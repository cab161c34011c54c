/** What a machine heard, and what its steps mean for its run: taken note of, recorded, told. */
import type { Clock } from '@troupe/protocol';
import type { AnyEventObject, AnyMachineSnapshot } from 'xstate';
import type { AgentContext, Outbox } from '../agent/context.ts';
import type { Away } from '../placement/away.ts';
import { checkpointAfter, isProgress } from '../run/checkpoint.ts';
import { heardOf } from '../run/journal.ts';
import { noteWaiting } from '../run/ledger.ts';
import type { LiveRun } from '../run/live-run.ts';
import { takeOutbox } from '../run/recorded.ts';
import type { Desk } from './desk.ts';
import type { FoundRun } from './found-run.ts';
import type { Here } from './here.ts';
import type { Recorder } from './recorder.ts';

/** Facts that say what an attempt used, in the place of what was said before. */
const saysUsage = new Set(['model.used', 'model.attempted', 'turn.closed', 'context.summarized']);

/** Takes note of what a machine heard. What an attempt has used so far counts until it says so again, or all of it. */
export const hearAt = (run: LiveRun, event: AnyEventObject, at: number): void => {
  if (saysUsage.has(event.type) && run.heard.at(-1)?.heard.type === 'model.used') run.heard.pop();
  run.heard.push({ seq: run.seq, at, heard: heardOf(event) });
};

export const openSteps = ({
  clock,
  here: { runs, treeOf },
  recorder,
  desk,
  away,
  moved,
}: {
  clock: Clock;
  here: Here;
  recorder: Recorder;
  desk: Desk;
  away: Away;
  /** A run has made a step. */
  moved(run: LiveRun): void;
}) => {
  const hear = (run: LiveRun, event: AnyEventObject): void => hearAt(run, event, clock.now());
  /** Whether a run may start children binds those below it, too: those that others execute are told. */
  const holdAway = (run: LiveRun, isHeld: boolean): void => {
    for (const each of treeOf(run))
      for (const childId of each.away?.keys() ?? [])
        away.tell(each, childId, { type: isHeld ? 'pauseSpawning' : 'resumeSpawning', by: 'parent' });
  };

  /** Takes what a step said: into the transcript, and to the recorder. */
  const take = (snapshot: AnyMachineSnapshot, event?: AnyEventObject): Outbox | null => {
    const { run: context } = snapshot.context as AgentContext;
    const outbox = takeOutbox(snapshot);
    const run = runs.get(context.runId);
    if (!run) return outbox;
    if (event && saysUsage.has(event.type)) run.used = undefined;
    const mail = outbox && away.notes(run, outbox.notes);
    const isNews = (outbox && outbox.events.length + outbox.messages.length > 0) || mail || isProgress(run, snapshot);
    if (event && (isNews || run.context?.pendingUsage !== context.pendingUsage)) hear(run, event);
    if (snapshot.value === 'interrupting' && run.value !== 'interrupting') desk.stopAsking();
    const stood = run.value;
    run.value = snapshot.value;
    const wasHeld = run.context?.spawningPaused === true;
    run.context = context;
    const waits = context.slot === 'wanted' && (snapshot.matches({ running: 'waiting' }) || snapshot.matches('queued'));
    noteWaiting(run.ledger, waits, clock.now());
    if (outbox) run.transcript.push(...outbox.messages);
    for (const said of outbox?.events ?? [])
      if (said.type === 'turn.started')
        for (const mailId of said.delivered ?? []) run.receipts.push({ mailId, receipt: { status: 'accepted' } });
    if (snapshot.value === 'interrupting') run.graceUntil ??= clock.now() + context.graceMs;
    if (isNews)
      recorder.record(
        run,
        outbox?.events ?? [],
        { checkpoint: checkpointAfter(run, stood, snapshot) },
        mail ?? undefined,
      );
    if (mail) away.wakeAbove(run);
    if (wasHeld !== (context.spawningPaused === true)) holdAway(run, !wasHeld);
    moved(run);
    return outbox;
  };

  return {
    take,
    /** What the attempt in flight has used, unless the event says all that it used. */
    unheard(event: AnyEventObject, { context }: AnyMachineSnapshot): AnyEventObject | undefined {
      const run = runs.get((context as AgentContext).run.runId);
      const usage = run?.used;
      if (!usage || saysUsage.has(event.type)) return undefined;
      run.used = undefined;
      return { type: 'model.used', usage };
    },
    /** The first, before any effect. */
    begin(snapshot: AnyMachineSnapshot): void {
      const run = runs.get((snapshot.context as AgentContext).run.runId);
      // What rested in the store has lost nothing.
      if (run?.seq && !(run as FoundRun).rested) {
        hear(run, { type: 'run.recovered' });
        recorder.record(run, [{ type: 'run.recovered' }]);
      }
      take(snapshot);
    },
  };
};
