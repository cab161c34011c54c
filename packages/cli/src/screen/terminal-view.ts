import { type Clock, messageOf, type RunEvent } from '@troupe/protocol';
import { createActor } from 'xstate';
import { oneLine } from '../text-width.ts';
import { coloured, type Paint, plain } from '../tree/paint.ts';
import { rowsOf, totalLine } from '../tree/rows.ts';
import { type RunNode, runsOf, type Tree } from '../tree/tree.ts';
import { type Control, controlActor } from './control.ts';
import { frameOf, type Keys } from './frame.ts';
import type { InkScreen, Picture } from './ink-screen.ts';
import { keysMachine, type Shown } from './keys-machine.ts';
import { openLines } from './lines-view.ts';
import type { View } from './live-tree.ts';
import { openWriter } from './writer.ts';

const redrawMs = 84; // at most 12 times a second

/** Reads ink's parts for production: React's other build takes twice the time. */
const loadInk = async (): Promise<typeof import('./ink-screen.ts')> => {
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = 'production';
  try {
    return await import('./ink-screen.ts');
  } finally {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
  }
};

export type TerminalViewOptions = {
  screen: NodeJS.WriteStream;
  input: NodeJS.ReadStream;
  control: Control | undefined;
  isColourful: boolean;
  clock: Pick<Clock, 'now'>;
  treeNow(): Tree;
};

/** The tree on a terminal, with keys where there is a control. */
export const openTerminalView = (options: TerminalViewOptions): View => {
  const { screen, input, control, clock, treeNow } = options;
  const paint = options.isColourful ? coloured : plain;
  const out = openWriter(screen);
  const keys = control && openKeys(control);
  const picture: Picture = {
    lines: ({ columns, rows }) =>
      frameOf(treeNow(), {
        now: clock.now(),
        columns,
        rows,
        paint,
        keys: keys?.now(),
        isHeld: control?.runtime.spawningPaused,
      }),
    ...(keys && { press: (key) => (key === 'stop' ? stop(control) : keys.press(key)) }),
  };
  /** What was told and said until ink is there. */
  const early: RunEvent[] = [];
  const before: string[] = [];
  let ink: InkScreen | undefined;
  let lines: View | undefined;
  let isClosed = false;

  const tick = (): void => {
    keys?.tell(treeNow());
    if (out.isReady && !screen.writableNeedDrain) ink?.draw();
  };
  const attempt = (draw: () => void): void => {
    try {
      draw();
    } catch {
      // The terminal is gone; the runs are not.
    }
  };
  const timer = setInterval(() => attempt(tick), redrawMs);
  // The runs keep the process alive, not the picture of them.
  timer.unref();
  const loading = loadInk()
    .then(({ openInk }) => {
      if (isClosed || out.isBroken) return;
      ink = openInk(picture, { stdout: screen, stdin: input });
      early.length = 0;
      for (const line of before.splice(0)) ink.say(line);
    })
    .catch((error: unknown) => {
      lines = openLines(screen);
      lines.say(`Plain lines: the live tree needs the packages ink and react. ${oneLine(messageOf(error))}`);
      for (const line of before.splice(0)) lines.say(line);
      for (const event of early.splice(0)) lines.tell(event);
    });

  return {
    tell(event) {
      if (lines) return lines.tell(event);
      if (!ink) early.push(event);
      // The last word of a run is worth a picture even when the process blocks right after it.
      if (event.type.startsWith('run.') && event.parentId === undefined) attempt(tick);
    },
    say(line) {
      if (lines) lines.say(line);
      else if (ink) attempt(() => ink?.say(line));
      else before.push(line);
    },
    async close() {
      isClosed = true;
      clearInterval(timer);
      await loading;
      keys?.close();
      if (lines) {
        out.close();
        return lines.close();
      }
      const rows = [...before, ...finalRows(treeNow(), screen, clock.now(), paint)];
      // What is more than the screen holds comes after the picture, which would clear it.
      const shown = ink ? Math.max(1, (screen.rows || 24) - 2) : 0;
      await ink?.close(rows.slice(0, shown)).catch(() => {});
      out.write(
        rows
          .slice(shown)
          .map((row) => `${row}\n`)
          .join(''),
      );
      out.close();
    },
  };
};

/** The whole tree, however large it is. */
const finalRows = (tree: Tree, { columns }: NodeJS.WriteStream, now: number, paint: Paint): string[] => {
  if (tree.roots.length === 0) return [];
  const size = { now, width: Math.max(20, (columns || 80) - 1) };
  return [...rowsOf(tree, { ...size, paint }), totalLine(tree, size)];
};

/** Ctrl-C, which no terminal turns into a signal while keys are read. */
const stop = ({ stop: told = () => process.kill(process.pid, 'SIGINT') }: Control): void => told();

const shownOf = ({ runId, status, spawningPaused = false }: RunNode): Shown => ({ runId, status, spawningPaused });

const openKeys = (control: Control) => {
  const actor = createActor(keysMachine.provide({ actors: { control: controlActor(control) } })).start();
  let told: Tree | undefined;
  return {
    press: actor.send,
    /** What keys may be for. */
    tell(tree: Tree): void {
      if (tree === told) return;
      told = tree;
      const runs = [...runsOf(tree)].map(({ run }) => run);
      const questions = runs.flatMap((run) => run.questions).sort((a, b) => a.askedAt - b.askedAt);
      actor.send({ type: 'told', runs: runs.map(shownOf), questions });
    },
    now(): Keys {
      const { value, context } = actor.getSnapshot();
      return { mode: value, context };
    },
    close: () => void actor.stop(),
  };
};
