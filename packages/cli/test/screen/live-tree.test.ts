import { EventEmitter } from 'node:events';
import type { RunEvent } from '@troupe/protocol';
import { Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Screen, showLiveTree } from '../../src/screen/live-tree.ts';
import { journal } from '../events.ts';

/** Something that lines are written to. */
class Paper extends EventEmitter implements Screen {
  writes: string[] = [];

  write(text: string): boolean {
    this.writes.push(text);
    return true;
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

describe('the live tree, where nothing can be redrawn', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('is plain lines', async () => {
    const screen = new Paper();
    const log = story();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen });
    for (const event of log.events) events$.next(event);
    view.say('By the way.');
    events$.complete();
    await view.done;
    expect(screen.writes.join('')).toBe(
      [
        '▸ lead starts with small',
        '· lead turn 1: spawn_subworker',
        '  ▸ part starts with small',
        '  ✔ part completed after 1 turn, 110 tokens, $0.0010',
        '✔ lead completed after 1 turn, 110 tokens, $0.0010',
        'By the way.',
        '',
      ].join('\n'),
    );
    expect(view.tree.roots[0]?.children[0]?.status).toBe('completed');
    expect(vi.getTimerCount()).toBe(1); // the late look at errors, which keeps nothing alive
  });

  test('is plain lines on a terminal that is called dumb, too', async () => {
    const screen = Object.assign(new Paper(), { isTTY: true });
    const view = showLiveTree(new Subject<RunEvent>(), { screen, environment: { TERM: 'dumb' } });
    view.say('A line.');
    view.close();
    await view.done;
    expect(screen.writes).toEqual(['A line.\n']);
  });

  test('changes nothing when the screen fails', async () => {
    const screen = new Paper();
    screen.write = () => {
      throw new Error('EPIPE');
    };
    const log = story();
    const events$ = new Subject<RunEvent>();
    const view = showLiveTree(events$, { screen });
    expect(() => {
      for (const event of log.events) events$.next(event);
      screen.emit('error', new Error('EPIPE'));
      events$.complete();
    }).not.toThrow();
    await view.done;
    expect(view.tree.roots[0]?.status).toBe('completed');
  });

  test('can be closed early and twice, also when the events end while it subscribes or fail', async () => {
    const open$ = new Subject<RunEvent>();
    const view = showLiveTree(open$, { screen: new Paper() });
    view.close();
    view.close();
    await view.done;
    expect(open$.observed).toBe(false);

    const ended$ = new Subject<RunEvent>();
    ended$.complete();
    await showLiveTree(ended$, { screen: new Paper() }).done;

    const failing$ = new Subject<RunEvent>();
    const failed = showLiveTree(failing$, { screen: new Paper() });
    failing$.error(new Error('gone'));
    await failed.done;
  });
});
