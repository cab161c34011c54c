/**
 * L1: a run's first event is `run.queued` or `run.started`, its last is exactly one of `run.completed`, `run.failed`,
 * `run.interrupted`, and nothing of that run follows. It starts once; a run that ended while it was queued never does.
 */
import { at, type Log, type RunLog, type Violation } from './log.ts';

export const startAndEnd = (log: Log, open: boolean): Violation[] => [
  ...[...log.runs.values()].flatMap((run) => [...starts(run), ...ends(run, open)]),
  ...late(log),
];

const starts = ({ events }: RunLog): Violation[] => {
  const found: Violation[] = [];
  let started = false;
  for (const [index, { event }] of events.entries()) {
    const { type } = event;
    if (index === 0 && type !== 'run.queued' && type !== 'run.started')
      found.push(at('L1', event, `its first event is ${type}, not run.queued or run.started.`));
    if (index > 0 && type === 'run.queued') found.push(at('L1', event, 'it was queued when it was there already.'));
    if (type === 'run.started') {
      if (started) found.push(at('L1', event, 'it started twice.'));
      started = true;
    }
    if (!started && /^(turn|call|child)\.|^run\.completed$/.test(type))
      found.push(at('L1', event, `${type} before run.started.`));
  }
  return found;
};

const ends = ({ runId, events, terminal }: RunLog, open: boolean): Violation[] => {
  if (!terminal) return open ? [] : [{ law: 'L1', runId, message: `Run "${runId}": it has no terminal event.` }];
  return events
    .filter(({ place }) => place > terminal.place)
    .map(({ event }) => at('L1', event, `${event.type} after it ended with ${terminal.event.type}.`));
};

const late = ({ live, runs }: Log): Violation[] =>
  live.flatMap(({ event: { runId, type }, after }) => {
    const terminal = runs.get(runId)?.terminal;
    if (!terminal || after <= terminal.place) return [];
    return [{ law: 'L1', runId, message: `Run "${runId}": ${type} was told after ${terminal.event.type}.` }];
  });
