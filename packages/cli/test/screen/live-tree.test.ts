import { EventEmitter } from 'node:events';
import type { RunEvent } from '@troupe/protocol';
import { Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Screen, showLiveTree } from '../src/live-tree.ts';
import { textWidth } from '../src/text-width.ts';
import { journal } from './events.ts';

/** A terminal as far as the tree needs one: keeps lines and a cursor, and obeys the sequences that the tree uses. */
class Terminal extends EventEmitter implements Screen {
  isTTY: boolean;
  columns = 60;
  rows = 12;
  writes: string[] = [];
  lines: string[] = [''];
  cursor = true;
  #row = 0;

  constructor(isTTY = true) {
    super();
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.writes.push(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal reads
    for (const [part] of text.matchAll(/\u001b\[[?\d]*[A-Za-z]|\n|\r|[^\u001b\n\r]+/g)) {
      if (part === '\n') this.lines[++this.#row] ??= '';
      else if (part === '\r') continue;
      else if (part === '\u001b[?25l') this.cursor = false;
      else if (part === '\u001b[?25h') this.cursor = true;
      else if (part === '\u001b[J') this.lines.length = this.#row + 1;
      else if (part.endsWith('A')) this.#row -= Number(part.slice(2, -1));
      else if (!part.startsWith('\u001b')) this.lines[this.#row] = part;
    }
    return true;
  }

  get text() {
    return this.lines.join('\n').trimEnd();
  }
}

const story = () => {
  const log = journal();
  log.start('run_1', 'lead', 5);
  log.turn('run_1', 'lead', 1, [{ id: 'a', name: 'spawn_subworker' }]);
  log.start('run_1/1-0/0', 'part');
  log.complete('run_1/1-0/0', 'part');
  log.answer('run_1', 'lead', 'a', 'spawn_subworker');
  log.complete('run_1', 'lead', 1);
  return log;
};

describe('the live tree', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('is one block on a terminal, redrawn in place, and shows the final state once', async () => {
    const screen = new Terminal();
    const log = story();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen, clock: { now: () => log.now } });
    expect(screen.cursor).toBe(false);
    for (const event of log.events.slice(0, 5)) events$.next(event);
    vi.advanceTimersByTime(1_000);
    expect(screen.text).toContain('spawn_subworker');
    for (const event of log.events.slice(5)) events$.next(event);
    events$.complete();
    await view.done;

    expect(screen.lines.map((line) => line.split('  ').filter(Boolean).slice(0, 2).join(' '))).toEqual([
      '✔ lead completed',
      '✔ part completed',
      '2 runs 1 turn',
      '',
    ]);
    expect(screen.cursor).toBe(true);
    expect(vi.getTimerCount()).toBe(1); // the late look at errors, which keeps nothing alive
  });

  test('is drawn at most 12 times a second, however many events there are', () => {
    const screen = new Terminal();
    const log = journal();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen, clock: { now: () => log.now } });
    events$.next(log.start('run_1', 'lead'));
    const before = screen.writes.length;
    for (let n = 0; n < 1_000; n++) {
      events$.next(log.tell('run_1', 'lead', { type: 'turn.started', turn: n, model: 'small' }));
      vi.advanceTimersByTime(1);
    }
    expect(screen.writes.length - before).toBeLessThanOrEqual(12);
    expect(screen.writes.length - before).toBeGreaterThan(8);
    view.close();
  });

  test('keeps to the size of the terminal, also when that changes', () => {
    const screen = new Terminal();
    const log = journal();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen, clock: { now: () => log.now } });
    events$.next(log.start('run_1', 'lead'));
    for (let n = 0; n < 40; n++) events$.next(log.start(`run_1/1-${n}/0`, `a part with a rather long name ${n}`));
    vi.advanceTimersByTime(100);
    expect(screen.lines.length).toBeLessThanOrEqual(screen.rows);
    for (const line of screen.lines) expect(textWidth(line)).toBeLessThan(screen.columns);
    screen.columns = 30;
    screen.rows = 8;
    screen.writes = [];
    vi.advanceTimersByTime(100);
    // a narrower terminal has wrapped each of the 11 lines; the cursor goes up over all of them
    const [, lines] = /\[(\d+)A/.exec(screen.writes[0] ?? '') ?? [];
    expect(Number(lines)).toBeGreaterThan(11);
    view.close();
  });

  test('is plain lines where nothing can be redrawn', async () => {
    const screen = new Terminal(false);
    const log = story();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen });
    for (const event of log.events) events$.next(event);
    events$.complete();
    await view.done;
    expect(screen.writes.join('')).toBe(
      [
        '▸ lead starts with small',
        '· lead turn 1: spawn_subworker',
        '  ▸ part starts with small',
        '  ✔ part completed after 1 turn, 110 tokens, $0.0010',
        '✔ lead completed after 1 turn, 110 tokens, $0.0010',
        '',
      ].join('\n'),
    );
    expect(view.tree.roots[0]?.children[0]?.status).toBe('completed');
  });

  test.each([true, false])('goes on when the screen fails (terminal: %s)', async (isTTY) => {
    const screen = new Terminal(isTTY);
    screen.write = () => {
      throw new Error('EPIPE');
    };
    const log = story();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen });
    expect(() => {
      for (const event of log.events) events$.next(event);
      screen.emit('error', new Error('EPIPE'));
      vi.advanceTimersByTime(500);
      events$.complete();
    }).not.toThrow();
    await view.done;
    expect(view.tree.roots[0]?.status).toBe('completed');
  });

  test('leaves pictures out while the terminal is slower than they come', () => {
    const screen = new Terminal();
    const log = journal();
    const events$ = new Subject<RunEvent>();
    const write = vi.fn<(text: string) => boolean>(() => false);
    screen.write = write;
    const view = showLiveTree(events$, { screen, clock: { now: () => log.now } });
    events$.next(log.start('run_1', 'lead'));
    vi.advanceTimersByTime(2_000);
    const slow = write.mock.calls.length;
    expect(slow).toBeLessThanOrEqual(2);
    screen.emit('drain');
    vi.advanceTimersByTime(100);
    expect(write.mock.calls.length).toBe(slow + 1);
    view.close();
  });

  test('can be closed early and twice, also when the events end while it subscribes or fail', async () => {
    const listeners = process.listenerCount('exit');
    const screen = new Terminal();
    const open$ = new Subject<RunEvent>();
    const view = showLiveTree(open$, { screen });
    view.close();
    view.close();
    await view.done;
    expect(open$.observed).toBe(false);
    expect(screen.cursor).toBe(true);

    const ended$ = new Subject<RunEvent>();
    ended$.complete();
    await showLiveTree(ended$, { screen: new Terminal() }).done;

    const failing$ = new Subject<RunEvent>();
    const failed = showLiveTree(failing$, { screen: new Terminal() });
    failing$.error(new Error('gone'));
    await failed.done;
    expect(process.listenerCount('exit')).toBe(listeners);
  });
});
