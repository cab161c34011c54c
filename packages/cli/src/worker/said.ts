/** What a worker says of the runs that it executes: one line, or one JSON value. */
import { lineOf } from '../tree/line-of.ts';
import type { Happening, LeftBecause } from './activations.ts';

const reasons: Record<LeftBecause, string> = {
  waits: '‖ waits, and takes no place here',
  given_back: '↩ is given back, and goes on elsewhere',
  taken_over: '! was taken over by another process',
  not_stored: '! could not be stored here any more, and goes on elsewhere',
  rejected: '! could not be taken up',
};

/** For people. */
export const happeningText = (happening: Happening): string => {
  const { runId } = happening;
  if (happening.type === 'run.left') {
    const [mark, ...words] = reasons[happening.because].split(' ');
    const why = happening.error === undefined ? '' : `: ${happening.error}`;
    return `${[mark, happening.agent, ...words].filter((word) => word !== undefined).join(' ')}${why}  ${runId}`;
  }
  const told = happening.event.type === 'run.queued' ? undefined : lineOf(happening.event)?.trim();
  return `${told ?? `▸ ${happening.agent} goes on`}  ${runId}`;
};

/** For programs. */
export const happeningValue = (happening: Happening): object => {
  if (happening.type === 'run.left') return happening;
  const { type, runId, agent, event } = happening;
  if (type === 'run.taken') return { type, runId, agent, at: event.at, first: event.type };
  const status = event.type.slice('run.'.length);
  const exitReason = event.type === 'run.completed' ? 'answered' : event.exitReason;
  return {
    type,
    runId,
    agent,
    at: event.at,
    status,
    exitReason,
    ...(event.type === 'run.failed' && { fault: event.fault }),
  };
};
