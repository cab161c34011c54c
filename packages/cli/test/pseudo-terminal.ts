/** A program in a pseudo-terminal, and its screen as text: what a person would see. */
import { spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { onTestFinished } from 'vitest';

export type Shown = {
  /** What is on the screen, without blanks at the ends. */
  readonly text: string;
  /** Everything that was written, as it came. */
  readonly raw: string;
  /** Presses keys. */
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Resolves with the screen once it shows this; rejects with what it shows instead. */
  until(what: RegExp | ((text: string) => boolean), withinMs?: number): Promise<string>;
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void;
  /** Resolves with the exit code, as shells tell it. */
  readonly exit: Promise<number>;
};

/** Keys as a terminal sends them. */
export const keys = {
  up: '\u001b[A',
  down: '\u001b[B',
  enter: '\r',
  escape: '\u001b',
  ctrlC: '\u0003',
  backspace: '\u007f',
};

export const inTerminal = (
  file: string,
  args: readonly string[],
  {
    cwd,
    env = {},
    columns = 100,
    rows = 24,
  }: { cwd: string; env?: Record<string, string>; columns?: number; rows?: number },
): Shown => {
  const screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1_000 });
  const { NO_COLOR: _, CI: __, ...rest } = process.env;
  const child = spawn(file, [...args], {
    name: env.TERM ?? 'xterm-256color',
    cols: columns,
    rows,
    cwd,
    env: { ...rest, TERM: 'xterm-256color', ...env },
  });
  let raw = '';
  let isOver = false;
  const looks = new Set<() => void>();
  const look = (): void => {
    for (const each of looks) each();
  };
  child.onData((data) => {
    raw += data;
    screen.write(data, look);
  });
  const exit = new Promise<number>((resolve) => {
    child.onExit(({ exitCode, signal }) => {
      isOver = true;
      screen.write('', () => {
        look();
        resolve(signal ? 128 + signal : exitCode);
      });
    });
  });
  onTestFinished(() => {
    if (!isOver) child.kill('SIGKILL');
  });

  const text = (): string => {
    const { active } = screen.buffer;
    const lines = Array.from({ length: active.length }, (_line, i) => active.getLine(i)?.translateToString(true) ?? '');
    return lines.join('\n').trimEnd();
  };
  return {
    get text() {
      return text();
    },
    get raw() {
      return raw;
    },
    type: (pressed) => child.write(pressed),
    resize(width, height) {
      screen.resize(width, height);
      child.resize(width, height);
    },
    until(what, withinMs = 15_000) {
      const is = typeof what === 'function' ? what : (shown: string): boolean => what.test(shown);
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          clearTimeout(timer);
          looks.delete(check);
          settle();
        };
        const check = (): void => {
          const shown = text();
          if (is(shown)) finish(() => resolve(shown));
          else if (isOver) finish(() => reject(new Error(`It ended, and never showed ${String(what)}:\n${shown}`)));
        };
        const timer = setTimeout(
          () => finish(() => reject(new Error(`It does not show ${String(what)}:\n${text()}`))),
          withinMs,
        );
        looks.add(check);
        check();
      });
    },
    signal: (name) => child.kill(name),
    exit,
  };
};
