/**
 * What keys mean while a tree of runs is shown.
 *
 *   browsing ──s──▶ steering ──enter──▶ browsing                           text for the selected run
 *      │  ──i──▶ confirming ──y──▶ browsing                                interrupts it, and all below
 *      └──a, enter, or a question that is new──▶ answering ──enter──▶ browsing
 *   escape leads back from everywhere; space pauses the selected run, or lets it go on; p keeps it from starting children
 *
 * What is pasted is typed, where there is something to type, and is a command nowhere.
 *
 * A question opens by itself once, and only where nothing is being typed. Orders go to the actor `control`; what came of one comes back
 * as a notice.
 */
import type { Question, RunStatus } from '@troupe/protocol';
import { assign, fromCallback, sendTo, setup } from 'xstate';
import { harmless, lettersOf } from '../text-width.ts';

/** What a person wants. */
export type Order =
  | { type: 'answer'; question: Question; text: string }
  | { type: 'steer'; runId: string; text: string }
  /** The last two: no new children of the run and those below it, or new ones again. */
  | { type: 'interrupt' | 'pause' | 'resume' | 'pauseSpawning' | 'resumeSpawning'; runId: string };

/** A key, whatever terminal it comes from. */
export type Key =
  | { type: 'key.up' | 'key.down' | 'key.enter' | 'key.escape' | 'key.backspace' }
  | { type: 'key.text'; text: string }
  /** What was pasted: text to be typed, never a command. */
  | { type: 'key.paste'; text: string };

/** A run, as far as keys mind. */
export type Shown = { runId: string; status: RunStatus; spawningPaused?: boolean };

/** What came of an order. `again`: the question that is still open. */
export type Notice = { type: 'notice'; text: string; again?: string };

type Told = { type: 'told'; runs: Shown[]; questions: Question[] };

export type KeysContext = {
  runs: Shown[];
  questions: Question[];
  /** Null until a person selects one. */
  selected: string | null;
  /** What is being typed. */
  text: string;
  /** The question that is open. */
  open: string | null;
  /** Questions that need not open by themselves any more. */
  seen: string[];
  notice: string;
};

const types = {} as { context: KeysContext; events: Key | Told | Notice };

/** The run that keys are for: the selected one, else the first. */
export const selectedIn = ({ runs, selected }: Pick<KeysContext, 'runs' | 'selected'>): Shown | undefined =>
  runs.find(({ runId }) => runId === selected) ?? runs[0];

/** The question that is open for an answer. */
export const openIn = ({ questions, open }: Pick<KeysContext, 'questions' | 'open'>): Question | undefined =>
  questions.find(({ id }) => id === open);

/** From the run that is shown as selected. */
const moved = (context: KeysContext, by: number): Partial<KeysContext> => {
  const { runs } = context;
  const shown = selectedIn(context)?.runId;
  const next = runs.findIndex(({ runId }) => runId === shown) + by;
  return { selected: runs[Math.min(Math.max(next, 0), runs.length - 1)]?.runId ?? null, notice: '' };
};

const opened = (context: KeysContext, question: Question | undefined): Partial<KeysContext> => ({
  open: question?.id ?? null,
  selected: question?.runId ?? context.selected,
  text: '',
});

const newIn = ({ questions, seen }: KeysContext): Question | undefined =>
  questions.find(({ id }) => !seen.includes(id));

/** The question that a person means: of the selected run, else the oldest. */
const meantIn = ({ questions, selected }: KeysContext): Question | undefined =>
  questions.find(({ runId }) => runId === selected) ?? questions[0];

const withoutLast = (text: string): string => lettersOf(text).slice(0, -1).join('');

/** The chart. Its actor `control` is provided. */
export const keysMachine = setup({
  types,
  actors: {
    /** Carries orders out, and sends notices back. */
    control: fromCallback<Order>(() => {}),
  },
  actions: {
    type: assign(({ context }, { text }: { text: string }) => ({ text: context.text + text, notice: '' })),
    paste: assign(({ context }, { text }: { text: string }) => ({
      text: context.text + harmless(text).replaceAll(/\s+/g, ' '),
      notice: '',
    })),
    rub: assign(({ context }) => ({ text: withoutLast(context.text), notice: '' })),
    empty: assign({ text: '', notice: '' }),
    /** What follows is for this run, and for no other. */
    mean: assign(({ context }) => ({ selected: selectedIn(context)?.runId ?? null, text: '', notice: '' })),
    move: assign(({ context }, { by }: { by: number }) => moved(context, by)),
    openNew: assign(({ context }) => opened(context, newIn(context))),
    openMeant: assign(({ context }) => opened(context, meantIn(context))),
    close: assign(({ context }) => ({
      seen:
        context.open === null || context.seen.includes(context.open) ? context.seen : [...context.seen, context.open],
      open: null,
      text: '',
      notice: '',
    })),
    answer: sendTo('control', ({ context }): Order => {
      const question = openIn(context);
      if (!question) throw new Error('An answer was sent to no question.');
      return { type: 'answer', question, text: context.text.trim() };
    }),
    order: sendTo('control', ({ context }, { type }: { type: 'steer' | 'interrupt' | 'hold' | 'toggle' }): Order => {
      const { runId = '', status, spawningPaused } = selectedIn(context) ?? {};
      if (type === 'hold') return { type: spawningPaused ? 'resumeSpawning' : 'pauseSpawning', runId };
      if (type === 'steer') return { type, runId, text: context.text.trim() };
      return { type: type === 'interrupt' ? type : status === 'paused' ? 'resume' : 'pause', runId };
    }),
  },
  guards: {
    hasNew: ({ context }) => newIn(context) !== undefined,
    hasQuestion: ({ context }) => context.questions.length > 0,
    isClosed: ({ context }) => openIn(context) === undefined,
    /** The run that was meant. */
    isGone: ({ context }) => selectedIn(context)?.runId !== context.selected,
    hasText: ({ context }) => context.text.trim() !== '',
    /** A letter that is meant for a run, where there is one. */
    isLetter: ({ context, event }, { letter }: { letter: string }) =>
      event.type === 'key.text' && event.text.toLowerCase() === letter && selectedIn(context) !== undefined,
  },
}).createMachine({
  context: { runs: [], questions: [], selected: null, text: '', open: null, seen: [], notice: '' },
  invoke: { src: 'control', id: 'control' },
  on: {
    told: {
      actions: assign(({ context, event: { runs, questions } }) => ({
        runs,
        questions,
        seen: context.seen.filter((seen) => questions.some(({ id }) => id === seen)),
      })),
    },
    notice: {
      actions: assign(({ context, event: { text, again } }) => ({
        notice: text,
        seen: context.seen.filter((seen) => seen !== again),
      })),
    },
  },
  initial: 'browsing',
  states: {
    browsing: {
      always: { guard: 'hasNew', target: 'answering', actions: 'openNew' },
      on: {
        'key.up': { actions: { type: 'move', params: { by: -1 } } },
        'key.down': { actions: { type: 'move', params: { by: 1 } } },
        'key.enter': { guard: 'hasQuestion', target: 'answering', actions: 'openMeant' },
        'key.text': [
          {
            guard: ({ context, event }) => event.text.toLowerCase() === 'a' && context.questions.length > 0,
            target: 'answering',
            actions: 'openMeant',
          },
          { guard: { type: 'isLetter', params: { letter: 's' } }, target: 'steering', actions: 'mean' },
          { guard: { type: 'isLetter', params: { letter: 'i' } }, target: 'confirming', actions: 'mean' },
          {
            guard: { type: 'isLetter', params: { letter: ' ' } },
            actions: { type: 'order', params: { type: 'toggle' } },
          },
          {
            guard: { type: 'isLetter', params: { letter: 'p' } },
            actions: { type: 'order', params: { type: 'hold' } },
          },
        ],
      },
    },
    answering: {
      // It was answered elsewhere, or its run has ended.
      always: { guard: 'isClosed', target: 'browsing', actions: 'close' },
      on: {
        'key.text': { actions: { type: 'type', params: ({ event }) => event } },
        'key.paste': { actions: { type: 'paste', params: ({ event }) => event } },
        'key.backspace': { actions: 'rub' },
        'key.escape': { target: 'browsing', actions: 'close' },
        'key.enter': { guard: 'hasText', target: 'browsing', actions: ['answer', 'close'] },
      },
    },
    steering: {
      always: { guard: 'isGone', target: 'browsing', actions: 'empty' },
      on: {
        'key.text': { actions: { type: 'type', params: ({ event }) => event } },
        'key.paste': { actions: { type: 'paste', params: ({ event }) => event } },
        'key.backspace': { actions: 'rub' },
        'key.escape': { target: 'browsing', actions: 'empty' },
        'key.enter': {
          guard: 'hasText',
          target: 'browsing',
          actions: [{ type: 'order', params: { type: 'steer' } }, 'empty'],
        },
      },
    },
    confirming: {
      always: { guard: 'isGone', target: 'browsing', actions: 'empty' },
      on: {
        'key.text': [
          {
            guard: { type: 'isLetter', params: { letter: 'y' } },
            target: 'browsing',
            actions: { type: 'order', params: { type: 'interrupt' } },
          },
          { target: 'browsing' },
        ],
        'key.paste': 'browsing',
        'key.escape': 'browsing',
        'key.enter': 'browsing',
        'key.backspace': 'browsing',
      },
    },
  },
});
