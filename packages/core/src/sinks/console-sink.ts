import { faultOf, isLive, type Logger, type RunEvent } from '@troupe/protocol';
import type { Observer } from 'rxjs';
import { consoleLine, consoleLogger } from '../defaults/system.ts';
import { lineOf } from './line-of.ts';

/** See {@link consoleSink}. */
export type ConsoleSinkOptions = {
  /** Whether the parts of answers are told, too, as they come. Default: false, an answer is told once it is whole. */
  live?: boolean;
  /** What a line is handed to. Default: `console.log`. */
  write?: (line: string) => void;
  /** Told when `write` throws, or the events fail. Default: warnings and errors on the console. */
  logger?: Pick<Logger, 'error'>;
};

/**
 * One line on the console for each event: `runtime.events$.subscribe(consoleSink())`. Texts are cut, secrets are left out, and so is
 * whatever a terminal would obey. Nothing that goes wrong here changes a run.
 */
export const consoleSink = ({
  live = false,
  write = consoleLine,
  logger = consoleLogger,
}: ConsoleSinkOptions = {}): Observer<RunEvent> => ({
  next(event) {
    if (isLive(event) && !live) return;
    try {
      write(lineOf(event));
    } catch (error) {
      tell(logger, 'An event could not be written to the console.', error);
    }
  },
  error: (error: unknown) => tell(logger, 'The events that the console is told of have failed.', error),
  complete: () => {},
});

/** Says what went wrong with a sink. A logger may be broken, too: nobody is left to be told of that. */
export const tell = (logger: Pick<Logger, 'error'>, message: string, error: unknown): void => {
  try {
    logger.error(message, faultOf(error, 'observer.failed'));
  } catch {}
};
