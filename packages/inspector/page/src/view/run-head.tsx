import type { Can, ReceiptLine, RunLine } from '../../../src/wire.ts';
import { command, details, dialog, happenings, isPast, lineOf, moment, seen, selectedLine, shownNow } from '../app.ts';
import {
  activityOf,
  amountText,
  costText,
  countText,
  kindText,
  spanText,
  spawningHeldBy,
  spentAt,
  standingOf,
} from '../model/words.ts';
import { ActButton } from './act-button.tsx';
import { Mark, Sign } from './icons.tsx';
import { Meter } from './meter.tsx';

const IN_THE_PAST = { status: 'rejected', reason: 'you look at the past: go back to the present first' } as const;

/** What the machine says of the buttons of the selected run. */
export const canOfSelected = (): { [K in keyof Can]: Can[K] | undefined } => {
  const can = details()?.can;
  if (!isPast.value) return { ...NOTHING, ...can };
  return {
    steer: IN_THE_PAST,
    pause: IN_THE_PAST,
    resume: IN_THE_PAST,
    interrupt: IN_THE_PAST,
    raise: IN_THE_PAST,
    pauseSpawning: IN_THE_PAST,
    resumeSpawning: IN_THE_PAST,
    fork: { status: 'accepted' },
  };
};
const NOTHING = {
  steer: undefined,
  pause: undefined,
  resume: undefined,
  interrupt: undefined,
  raise: undefined,
  pauseSpawning: undefined,
  resumeSpawning: undefined,
  fork: undefined,
};

/** The event from which a fork would begin: the one that is looked at, or the last one of the run. */
export const forkPoint = (run: RunLine): string => {
  const at = moment.value;
  const here = at && happenings(run.rootId).findLast(({ rootSeq }) => rootSeq <= at.rootSeq);
  return here ? here.id : `${run.id}:${run.seq}`;
};

/** Who is selected, how it stands, and what can be done. */
export const RunHead = () => {
  const line = selectedLine();
  if (!line) return null;
  const run = line.kind === 'run' ? line : undefined;
  return (
    <section class="head" aria-label="Selected run">
      <div class="title">
        <Mark standing={standingOf(line)} />
        <h2 title={line.name}>{line.name}</h2>
        {!run && <span class="activity">{activityOf(line)}</span>}
        <code title="Id">{line.id}</code>
        <span class="gap" />
        {run && seen().hello?.source !== 'actors' && <Actions run={run} />}
      </div>
      {run && (
        <div class="job">
          <span class="activity">{activityOf(run)}</span>
          <p title={run.title}>{run.title}</p>
          {run.endedAt === undefined && <Held run={run} />}
          <span class="facts">
            {run.model} · {countText(run.total.tokens)} tokens · {costText(run.total.costUsd)} ·{' '}
            {spanText((run.endedAt ?? shownNow.value) - run.createdAt)}
          </span>
        </div>
      )}
      {run?.trouble && <p class="trouble">{run.trouble}</p>}
      {run && run.gauges.length > 0 && <Gauges run={run} />}
    </section>
  );
};

/** Whether it may start no children now, and who is kept from that: it may be a run above. */
const Held = ({ run }: { run: RunLine }) => {
  const by = spawningHeldBy(run, lineOf);
  if (!by) return null;
  return (
    <span class="held" title={`${by.id} and all runs below it are refused new children`}>
      {by.id === run.id ? 'Spawning paused' : `Spawning paused by ${by.name}`}
    </span>
  );
};

const Gauges = ({ run }: { run: RunLine }) => (
  <ul class="gauges" aria-label="Budget">
    {run.gauges.map((gauge) => (
      <li key={gauge.kind}>
        <span>{kindText(gauge.kind)}</span>
        <Meter gauge={gauge} now={run.endedAt ?? shownNow.value} />
        <small>
          {amountText(gauge.kind, spentAt(gauge, run.endedAt ?? shownNow.value))} /{' '}
          {amountText(gauge.kind, gauge.limit)}
          {gauge.below !== undefined && ` · ${amountText(gauge.kind, gauge.below)} below`}
        </small>
      </li>
    ))}
  </ul>
);

/** Keeps a run and all below it from starting children, or lets them. */
export const holdSpawning = ({ id: runId, spawningPaused }: RunLine): Promise<ReceiptLine> =>
  spawningPaused
    ? command('Allow spawning', { type: 'resumeSpawning', runId })
    : command('Pause spawning', { type: 'pauseSpawning', runId });

const Actions = ({ run }: { run: RunLine }) => {
  const can = canOfSelected();
  const runId = run.id;
  const resumes = can.resume !== undefined && can.resume.status !== 'rejected';
  return (
    <div class="actions" role="toolbar" aria-label="Actions">
      <ActButton can={can.steer} keys="s" onPress={() => (dialog.value = { type: 'steer' })}>
        <Sign name="steer" /> Steer
      </ActButton>
      {resumes ? (
        <ActButton
          can={can.resume}
          keys="p"
          class="main"
          onPress={() => void command('Resume', { type: 'resume', runId })}
        >
          <Sign name="resume" /> Resume
        </ActButton>
      ) : (
        <ActButton can={can.pause} keys="p" onPress={() => void command('Pause', { type: 'pause', runId })}>
          <Sign name="pause" /> Pause
        </ActButton>
      )}
      <ActButton can={can.interrupt} keys="i" class="danger" onPress={() => (dialog.value = { type: 'interrupt' })}>
        <Sign name="stop" /> Interrupt
      </ActButton>
      <ActButton can={can.raise} keys="b" onPress={() => (dialog.value = { type: 'raise' })}>
        <Sign name="raise" /> Raise budget
      </ActButton>
      {run.spawningPaused && !isPast.value ? (
        <ActButton
          can={can.resumeSpawning}
          keys="n"
          label="Allow spawning"
          class="warned"
          onPress={() => void holdSpawning(run)}
        >
          <Sign name="hold" />
        </ActButton>
      ) : (
        <ActButton can={can.pauseSpawning} keys="n" label="Pause spawning" onPress={() => void holdSpawning(run)}>
          <Sign name="hold" />
        </ActButton>
      )}
      <ActButton can={can.fork} keys="f" onPress={() => (dialog.value = { type: 'fork', at: forkPoint(run) })}>
        <Sign name="fork" /> Fork{isPast.value ? ' from here' : ''}
      </ActButton>
      <button type="button" aria-label="Export" title="Export (e)" onClick={() => (dialog.value = { type: 'export' })}>
        <Sign name="take" />
      </button>
    </div>
  );
};
