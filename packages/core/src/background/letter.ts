/** What a unit leaves for its session when it ends: stored with its end, delivered once. */
import { type JSONValue, type Mail, type Report, redact, type StoredEvent, type TerminalEvent } from '@troupe/protocol';
import { jsonIn } from '../agent/json-in.ts';
import type { UnitEnd } from '../define-tool.ts';
import { type LiveRun, reportOf } from '../run/live-run.ts';
import { isUnit, toolIn } from './unit.ts';

/** The end of a run, before it is stamped. */
type End = {
  [T in TerminalEvent as T['type']]: Pick<T, Exclude<keyof T, keyof StoredEvent> | 'type'>;
}[TerminalEvent['type']];

/**
 * The run that letters wake: the same one for the same letters, whichever process is quicker.
 *
 * @param number How many runs have such an id that are no wake of these.
 */
export const wakeIdOf = (firstLetterId: string, number = 0): string =>
  `wake_${firstLetterId.replaceAll('/', '.')}${number === 0 ? '' : `+${number}`}`;
/**
 * Whether a run is the one that a letter has woken, be it by itself or as the first of several: such a run is called after it. The
 * letter of a background unit has the unit's run id, that of `session.deliver` the id that it was given.
 */
export const isWokenBy = (runId: string, letterId: string): boolean => {
  const id = wakeIdOf(letterId);
  return runId === id || runId.startsWith(`${id}+`);
};
export const isWake = (runId: string): boolean => runId.startsWith('wake_');

/** What a letter says. */
export type LetterMessage = {
  type: 'deliver';
  text: string;
  /** The root of the run that dispatched the unit; blank where no run has left it. */
  rootId: string;
  /** Whether a run is started for it when none is at work. */
  wakes: boolean;
  /** What a run that is started for it knows besides. */
  metadata?: JSONValue;
};

const reasonOf = (end: End): string | undefined => {
  if (end.type === 'run.completed') return undefined;
  return end.type === 'run.failed' ? end.fault.message : end.reason;
};

const statuses = { 'run.completed': 'completed', 'run.failed': 'failed', 'run.interrupted': 'interrupted' } as const;

const plain = (tool: string, { runId, status, exitReason, reason, text }: UnitEnd): string =>
  [
    `[BACKGROUND ${status.toUpperCase()}: ${tool}, ${runId}]`,
    reason && `It did not complete (${exitReason}): ${reason}`,
    // An error that is nothing more is said once.
    text !== JSON.stringify({ error: reason }) && text,
  ]
    .filter(Boolean)
    .join('\n\n');

/** What went wrong, as the result of a call tells it (see `textOfResult`). */
const errorIn = (result: string): string => {
  const found = jsonIn(result) as { error?: unknown } | undefined;
  return typeof found?.error === 'string' ? found.error : result;
};

/** How a unit ended, for its tool to put in words. */
const unitEndOf = ({ runId, ledger }: LiveRun, end: End, at: number): UnitEnd => {
  const [call] = ledger.calls;
  const isDone = end.type === 'run.completed';
  // Nothing but its call makes a unit a success.
  const failure = isDone && call && call.status !== 'ok' ? errorIn(call.result) : undefined;
  const reason = failure ?? reasonOf(end);
  return {
    runId,
    status: failure === undefined ? statuses[end.type] : 'failed',
    exitReason: failure !== undefined ? 'error' : isDone ? 'answered' : end.exitReason,
    ...(call?.data !== undefined && { data: call.data }),
    ...(call?.result && { text: call.result }),
    ...(reason !== undefined && { reason }),
    dispatchedAt: ledger.createdAt,
    endedAt: at,
  };
};

/** What of a child is told where its tool says nothing. */
const plainChild = ({ runId, agent, status, exitReason, text, fault, partialText }: Report): string =>
  [
    `[BACKGROUND ${status.toUpperCase()}: ${agent}, ${runId}]`,
    text ?? `It did not complete (${exitReason})${fault ? `: ${fault.message}` : ''}`,
    text === null && partialText,
  ]
    .filter(Boolean)
    .join('\n\n');

/** How something is put in words, where there is anything to say: as its tool does, or where that cannot plainly. */
type Words = [ofTool: () => string | undefined, plainly: () => string | undefined];

/** How a unit that has just ended is put in words; `undefined` when it leaves nothing. */
const wordsOf = (unit: LiveRun, end: End, at: number): Words | undefined => {
  const unitEnd = unitEndOf(unit, end, at);
  const tool = toolOf(unit);
  // What its children came to was told as they ended; what is left is that there were none, or what only the tool knows.
  if (unit.origin?.each && unit.ledger.children.length > 0)
    return [() => tool?.lastCompletion?.(unitEnd, { data: unit.made?.data ?? null }), () => undefined];
  return [() => tool?.completion?.(unitEnd) ?? plain(unit.agent.name, unitEnd), () => plain(unit.agent.name, unitEnd)];
};

/** The same of a child of one, which may tell of each. */
const childWordsOf = (child: LiveRun, unit: LiveRun, at: number): Words | undefined => {
  if (!unit.origin?.each) return undefined;
  const report = reportOf(child, [], at);
  const about = { runId: unit.runId, data: unit.made?.data ?? null, ...(child.made && { childData: child.made.data }) };
  return [() => toolOf(unit)?.childCompletion?.(report, about) ?? plainChild(report), () => plainChild(report)];
};
const toolOf = ({ tools, made, agent }: LiveRun) => tools.get(toolIn(made) ?? agent.name);

/** Told when a tool cannot put something in words. */
type Failed = (error: unknown) => void;

/** @param wakes Whoever ended it on purpose need not be woken to hear so. */
const written = (
  { runId, sessionKey }: LiveRun,
  { origin }: LiveRun,
  words: Words | undefined,
  wakes: boolean,
  at: number,
  failed: Failed,
): Mail | undefined => {
  if (!origin || !words || sessionKey === undefined) return undefined;
  const [ofTool, plainly] = words;
  let text: string | undefined;
  try {
    text = ofTool();
  } catch (error) {
    failed(error);
    text = plainly();
  }
  if (text === undefined) return undefined;
  const message: LetterMessage = { type: 'deliver', text, rootId: origin.rootId, wakes };
  return { id: runId, runId, sessionKey, at, message: redact(message) };
};

/** What a unit that tells of each leaves for its session of a child that has ended. */
export const letterOfChild = (child: LiveRun, unit: LiveRun, at: number, failed: Failed): Mail | undefined =>
  isUnit(unit)
    ? written(child, unit, childWordsOf(child, unit, at), child.ledger.status !== 'interrupted', at, failed)
    : undefined;

/**
 * What a run leaves for its session when it has ended: a unit, or a child of one that tells of each.
 *
 * @param unit The run itself, or the one above it.
 */
export const letterOf = (
  run: LiveRun,
  unit: LiveRun | undefined,
  end: End,
  at: number,
  failed: Failed,
): Mail | undefined => {
  if (!unit || !isUnit(unit)) return undefined;
  if (run !== unit) return letterOfChild(run, unit, at, failed);
  return written(unit, unit, wordsOf(unit, end, at), end.type !== 'run.interrupted', at, failed);
};
