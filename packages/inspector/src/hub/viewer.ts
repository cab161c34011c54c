/** What one page is owed, and how it is told. */
import type { Question } from '@troupe/protocol';
import type { Can, Chart, Entry, Line, Machine, Step, ToPage } from '../wire.ts';
import { addRows, type Frame, noFrame } from './frames.ts';

/** Where a viewer's messages go. */
export type Outlet = {
  send(text: string): void;
  /** Bytes that were sent and are not on their way yet. */
  buffered(): number;
  /** Ends the connection, and says why. */
  drop(reason: string): void;
};

/** A chart with all that is known of its steps, and the machine that it is of, where one is known. */
export type ChartShown = {
  machine?: Machine;
  chart: { problem?: string; active: string[]; steps: readonly Step[]; context?: unknown };
};
/** What is shown of a row. */
type Shown = ChartShown & { rowId: string; rootSeq: number | null; entries: readonly Entry[]; can?: Can };
/** What is the same for every page, and told to each when it is not what it was told last. */
export type Standing = { questions: readonly Question[]; spawningPaused: boolean | null; older: boolean };

/** Steps that a chart is sent with. */
const mostSteps = 500;

export type Viewer = {
  send(message: ToPage): void;
  greet(hello: Extract<ToPage, { type: 'hello' }>): void;
  /** Takes note of a frame that it is not sent. */
  owe(frame: Frame): void;
  /** A frame, with what it is owed; nothing when that is nothing. */
  tell(frame: Frame, standing: Standing, now: number, linesOf: (ids: ReadonlySet<string>) => Line[]): void;
  /** Everything about a row. */
  show(shown: Shown): void;
  /** What has changed about it. */
  update(rowId: string, news: { moved?: ChartShown; entries: readonly Entry[]; can?: Can }): void;
};

export const openViewer = (outlet: Pick<Outlet, 'send'>): Viewer => {
  const machines = new Set<string>();
  let owed = noFrame();
  let toldQuestions = '';
  let toldPaused: boolean | null | undefined;
  let toldOlder: boolean | undefined;
  /** The number of the next step that it does not have. */
  let nextStep = 0;

  const send = (message: ToPage): void => outlet.send(JSON.stringify(message));
  const wired = ({ machine, chart }: ChartShown, from: number): Chart => {
    if (machine && !machines.has(machine.id)) {
      machines.add(machine.id);
      send({ type: 'machine', machine });
    }
    const steps = chart.steps.slice(-mostSteps).filter(({ n }) => n >= from);
    nextStep = (chart.steps.at(-1)?.n ?? -1) + 1;
    const { context, ...rest } = chart;
    return {
      ...rest,
      steps,
      ...(context !== undefined && { context: context as Chart['context'] }),
      ...(machine && { machineId: machine.id }),
    };
  };
  /** What of the standing it was not told. */
  const unheard = ({ questions, spawningPaused, older }: Standing): Partial<Standing> => {
    const ids = questions.map(({ id }) => id).join('\n');
    const news = {
      ...(ids !== toldQuestions && { questions }),
      ...(spawningPaused !== toldPaused && { spawningPaused }),
      ...(older !== toldOlder && { older }),
    };
    toldQuestions = ids;
    toldPaused = spawningPaused;
    toldOlder = older;
    return news;
  };

  return {
    send,
    greet(hello) {
      unheard(hello);
      send(hello);
    },
    owe(frame) {
      addRows(owed, frame);
      owed.missed += frame.missed + frame.happenings.length;
    },
    tell(frame, standing, now, linesOf) {
      addRows(owed, frame);
      const { ids } = owed;
      const gone = [...owed.gone];
      const missed = owed.missed + frame.missed;
      const news = unheard(standing);
      owed = noFrame();
      const isEmpty = ids.size + gone.length + missed + frame.happenings.length + Object.keys(news).length === 0;
      if (isEmpty) return;
      const { questions, ...also } = news;
      const { happenings } = frame;
      const asked = questions && { questions: [...questions] };
      send({ type: 'frame', now, lines: linesOf(ids), gone, happenings, missed, ...asked, ...also });
    },
    show({ rowId, rootSeq, entries, can, ...of }) {
      const chart = wired(of, 0);
      send({ type: 'details', rowId, rootSeq, chart, entries: [...entries], ...(can && { can }) });
    },
    update(rowId, { moved, entries, can }) {
      const chart = moved && wired(moved, nextStep);
      const news = entries.length > 0 && { entries: [...entries] };
      send({ type: 'progress', rowId, ...(chart && { chart }), ...news, ...(can && { can }) });
    },
  };
};
