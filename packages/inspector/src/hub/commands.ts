/** What a page asks for, done by whoever the runs are of; or what it would come to. */
import type { Ask } from '@troupe/core';
import { type Budget, faultOf, type Receipt } from '@troupe/protocol';
import type { Can, Command, RunLine } from '../wire.ts';
import type { RunSource } from './run-source.ts';

export type Outcome = { receipt: Receipt; runId?: string };
type ForkCommand = Extract<Command, { type: 'fork' }>;

const rejected = (reason: string): Receipt => ({ status: 'rejected', reason });
const accepted: Receipt = { status: 'accepted' };
const noRuns = rejected('no run is looked at here, only actors that another program tells of');
const noFork = rejected(
  'nobody could execute a fork of a stored tree here: fork it in the program that knows its agents',
);

/** Values that a page leaves out are left out, not `undefined`. */
const defined = <T extends object>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const askOf = (command: Exclude<Command, ForkCommand>): Ask => {
  const { runId: _, ...ask } = defined(command);
  return ask as Ask;
};

/** What was thrown is what the receipt says. */
const said = async (does: () => Promise<Outcome>): Promise<Outcome> => {
  try {
    return await does();
  } catch (error) {
    return { receipt: rejected(faultOf(error, 'command.failed').message) };
  }
};

const canFork = (source: RunSource | undefined): Receipt => (source?.fork ? accepted : noFork);

/** What a command would come to; nothing is done. */
export const foresee = (source: RunSource | undefined, command: Command): Promise<Outcome> =>
  said(async () => {
    if (command.type === 'fork') return { receipt: canFork(source) };
    if (!source) return { receipt: noRuns };
    const can = await source.asking(command.runId);
    return { receipt: await can(askOf(command)) };
  });

/** Carries a command out. */
export const obey = (source: RunSource | undefined, command: Command): Promise<Outcome> =>
  said(async () => {
    if (command.type === 'fork') {
      if (!source?.fork) return { receipt: noFork };
      const { at, change } = defined(command);
      return {
        receipt: accepted,
        runId: await source.fork(command.runId, { at, ...(change && { change: change as never }) }),
      };
    }
    return { receipt: source ? await source.send(command.runId, askOf(command)) : noRuns };
  });

/** Kinds that a run shares with its parent come last: a child's cannot be raised. */
const shared = new Set(['tokens', 'costUsd', 'deadlineMs']);
const raisable = ({ gauges }: RunLine): Budget | undefined => {
  const gauge = gauges.find(({ kind }) => !shared.has(kind)) ?? gauges[0];
  return gauge && { [gauge.kind]: gauge.limit + 1 };
};

/** What the buttons of a run would come to now. */
export const canOf = async (source: RunSource, line: RunLine): Promise<Can> => {
  const refused = (error: unknown): Receipt => rejected(faultOf(error, 'command.failed').message);
  const can = await source.asking(line.id).catch((error: unknown) => async () => refused(error));
  const ask = (what: Ask): Promise<Receipt> => can(what).catch(refused);
  const budget = raisable(line);
  const [steer, pause, resume, interrupt, raise, pauseSpawning, resumeSpawning] = await Promise.all([
    ask({ type: 'steer', text: 'x' }),
    ask({ type: 'pause' }),
    ask({ type: 'resume' }),
    ask({ type: 'interrupt' }),
    budget ? ask({ type: 'raise', budget }) : rejected('nothing of it is limited'),
    ask({ type: 'pauseSpawning' }),
    ask({ type: 'resumeSpawning' }),
  ]);
  return { steer, pause, resume, interrupt, raise, pauseSpawning, resumeSpawning, fork: canFork(source) };
};
