/**
 * The events of a run and of those below it, told as one AG-UI run: a fold, so that the same events give the same stream.
 *
 * The run that is streamed is the AG-UI run; runs below it are its subagents. Where the run waits for a person the AG-UI run ends with
 * an interrupt. The AG-UI run that answers goes on in the middle of the log: what came before is known to it and not told again.
 */
import { type AGUIEvent, EventType, PROTOCOL_VERSION } from '@ag-ui/core';
import {
  type EventOf,
  isLive,
  isTerminal,
  isWithin,
  type LiveEvent,
  lineOf,
  type Question,
  type RunEvent,
  type StoredEvent,
} from '@troupe/protocol';
import { customOf } from './custom.ts';
import { ranOut, runEndOf, subagentEndOf } from './endings.ts';
import { interruptOf } from './interrupts.ts';
import { subagentOf } from './subagent.ts';
import { usageSum } from './usage-sum.ts';
import { Voice } from './voice.ts';

/** How a run is named to a front end, and what of it is told. */
export type StreamOptions = {
  /** The conversation, for AG-UI. Default: the id of the run. */
  threadId?: string;
  /** The AG-UI run. Default: the id of the run. */
  runId?: string;
  parentRunId?: string;
  /** Ids of questions: what is told begins with the first answer to one of them. Default: everything is told. */
  answering?: readonly string[];
  /** Which of the events that AG-UI has no word for are told as `CUSTOM` events. Default: all. */
  custom?: (event: RunEvent) => boolean;
  /** Told as `CUSTOM` event `troupe.ignored` at the beginning: what was asked for and is not done here. */
  ignored?: readonly string[];
};

export type Translation = {
  /** What an event is in AG-UI: nothing, one or several events. */
  hear(event: RunEvent): Generator<AGUIEvent>;
  /** Ends the AG-UI run where no more events come: the run goes on elsewhere or later, or could not be read. */
  finish(why?: { code: string; message: string }): Generator<AGUIEvent>;
  /** True once the AG-UI run has ended: nothing follows. */
  readonly isOver: boolean;
};

export const openTranslation = (options: StreamOptions = {}): Translation => {
  const { answering, ignored = [], custom = () => true } = options;
  const questions = new Map<string, Question>();
  /** The ids of those that a run asks. */
  const askedBy = new Map<string, Set<string>>();
  const voices = new Map<string, Voice>();
  const usage = usageSum();
  let root = '';
  let lastAt = 0;
  let state: 'before' | 'within' | 'over' = 'before';

  const names = () => ({ threadId: options.threadId ?? root, runId: options.runId ?? root });
  const tagOf = (runId: string) => (runId === root ? {} : { subagentRunId: runId });
  /** With the first answer, or with the end of a run that never got one. */
  const begins = (event: RunEvent): boolean =>
    answering === undefined ||
    (event.type === 'question.answered' && answering.includes(event.questionId)) ||
    (event.runId === root && isTerminal(event));

  const voiceOf = function* (event: RunEvent): Generator<AGUIEvent, Voice> {
    const known = voices.get(event.runId);
    if (known) return known;
    const subagent = event.runId === root ? undefined : subagentOf(event, voices.get(event.parentId ?? ''));
    const voice = new Voice(event.runId, event.agent, tagOf(event.runId), subagent);
    voices.set(event.runId, voice);
    yield* voice.enter(event.at, aboveOf(event.runId));
    return voice;
  };

  /**
   * The nearest run above that goes on and is heard of, unless that is the root: a run that was let go may outlast the one that started
   * it, and one that another process executes may not be told of here.
   */
  const aboveOf = (runId: string): string | undefined => {
    for (const id of lineOf(runId)) {
      if (id === root) break;
      if (id !== runId && voices.has(id)) return id;
    }
    return undefined;
  };

  const ask = (question: Question): void => {
    questions.set(question.id, question);
    const asked = askedBy.get(question.runId) ?? new Set();
    askedBy.set(question.runId, asked.add(question.id));
  };
  const dropQuestion = (id: string): void => {
    askedBy.get(questions.get(id)?.runId ?? '')?.delete(id);
    questions.delete(id);
  };

  const begin = function* (at: number): Generator<AGUIEvent> {
    state = 'within';
    usage.clear();
    const { parentRunId } = options;
    const version = { protocolVersion: PROTOCOL_VERSION, ...(parentRunId !== undefined && { parentRunId }) };
    yield { type: EventType.RUN_STARTED, ...names(), ...version, timestamp: at };
    if (ignored.length > 0)
      yield { type: EventType.CUSTOM, name: 'troupe.ignored', value: { what: [...ignored] }, timestamp: at };
    for (const voice of voices.values()) yield* voice.enter(at, aboveOf(voice.runId));
  };

  /** Closes everything, those below before those above, and then the run. */
  const end = function* (last: AGUIEvent, at: number): Generator<AGUIEvent> {
    for (const voice of [...voices.values()].reverse()) {
      const interruptIds = [...(askedBy.get(voice.runId) ?? [])];
      yield* voice.leave(at, { outcome: { type: 'suspended', ...(interruptIds.length > 0 && { interruptIds }) } });
    }
    state = 'over';
    yield last;
  };

  const endRun = function* (event: EventOf<'run.completed' | 'run.failed' | 'run.interrupted'>, voice: Voice) {
    for (const id of askedBy.get(event.runId) ?? []) questions.delete(id);
    askedBy.delete(event.runId);
    if (event.runId === root) return yield* end(runEndOf(event, names(), usage.told()), event.at);
    yield* voice.leave(event.at, subagentEndOf(event));
    voices.delete(event.runId);
  };

  /** The run waits for a person; not where all that it asks is being answered. */
  const pause = function* ({ at }: EventOf<'run.paused'>): Generator<AGUIEvent> {
    const answered = new Set(answering);
    const open = [...questions.values()].filter(({ id }) => !answered.has(id));
    if (open.length === 0) return;
    const interrupts = open.map((question) => interruptOf(question, tagOf(question.runId)));
    const outcome = { type: 'interrupt', interrupts } as const;
    yield* end({ type: EventType.RUN_FINISHED, ...names(), outcome, timestamp: at, ...usage.told() }, at);
  };

  const hearStored = function* (event: StoredEvent): Generator<AGUIEvent> {
    const voice = yield* voiceOf(event);
    voice.heard();
    usage.hear(event);
    if (event.type === 'question.asked') ask(event.question);
    if (event.type === 'question.answered') dropQuestion(event.questionId);
    if (isTerminal(event)) return yield* endRun(event, voice);
    yield* voice.say(event);
    yield* hearRest(event, voice);
    const waits = event.type === 'run.paused' && event.reason === 'question' && event.runId === root;
    if (waits && state === 'within') yield* pause(event);
  };
  const hearLive = function* (event: LiveEvent): Generator<AGUIEvent> {
    const voice = voices.get(event.runId);
    if (!voice) return;
    if (event.type === 'call.progressed') yield* hearRest(event, voice);
    else yield* voice.stream(event);
  };
  const hearRest = function* (event: RunEvent, voice: Voice): Generator<AGUIEvent> {
    const told = customOf(event, voice);
    if (told && custom(event)) yield told;
  };

  return {
    get isOver() {
      return state === 'over';
    },
    *hear(event) {
      root ||= event.runId;
      if (state === 'over' || !isWithin(event.runId, root)) return;
      lastAt = event.at;
      if (state === 'before' && begins(event)) yield* begin(event.at);
      const told = isLive(event) ? hearLive(event) : hearStored(event);
      if (state === 'before') for (const _ of told);
      else yield* told;
    },
    *finish(why = ranOut) {
      if (state === 'over') return;
      if (state === 'before') yield* begin(lastAt);
      yield* end({ type: EventType.RUN_ERROR, ...why, timestamp: lastAt, ...usage.told() }, lastAt);
    },
  };
};
