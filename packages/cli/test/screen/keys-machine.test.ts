import type { Question } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createActor, fromCallback } from 'xstate';
import { type Key, keysMachine, type Notice, type Order, openIn } from '../../src/screen/keys-machine.ts';

const question = (n: number, runId = `run_${n}`): Question => ({
  id: `${runId}/1-${n}?`,
  runId,
  rootId: runId,
  callId: 'c',
  kind: 'confirmation',
  tool: 'deploy',
  arguments: {},
  prompt: 'May I?',
  options: ['yes', 'no'],
  askedAt: n,
});

const start = () => {
  const orders: Order[] = [];
  const back: { notice(notice: Notice): void } = { notice: () => {} };
  const control = fromCallback<Order>(({ receive, sendBack }) => {
    back.notice = sendBack;
    receive((order) => void orders.push(order));
  });
  const actor = createActor(keysMachine.provide({ actors: { control } })).start();
  const type = (text: string) => {
    for (const letter of text) actor.send({ type: 'key.text', text: letter });
  };
  const press = (name: 'up' | 'down' | 'enter' | 'escape' | 'backspace') => actor.send({ type: `key.${name}` });
  const tell = (questions: Question[] = [], runs = ['run_1', 'run_2', 'run_3']) =>
    actor.send({ type: 'told', runs: runs.map((runId) => ({ runId, status: 'running' as const })), questions });
  return { actor, orders, type, press, tell, notice: (notice: Notice) => back.notice(notice) };
};
const now = ({ actor }: ReturnType<typeof start>) => {
  const { value, context } = actor.getSnapshot();
  return { mode: value, ...context };
};

describe('keys', () => {
  test('select a run, and stay within what there is', () => {
    const keys = start();
    keys.tell();
    const selected = () => now(keys).selected;
    expect(selected()).toBeNull();
    keys.press('up');
    expect(selected()).toBe('run_1');
    for (let i = 0; i < 5; i++) keys.press('down');
    expect(selected()).toBe('run_3');
    keys.press('up');
    expect(selected()).toBe('run_2');
  });

  test('select nothing where there is nothing, and go from the first where the selected one is gone', () => {
    const keys = start();
    keys.press('down');
    expect(now(keys).selected).toBeNull();
    keys.tell();
    keys.press('down');
    expect(now(keys).selected).toBe('run_2');
    keys.tell([], ['run_1', 'run_3']);
    keys.press('down');
    expect(now(keys).selected).toBe('run_3');
  });

  test('steer the selected run with what is typed, mistakes taken back', () => {
    const keys = start();
    keys.tell();
    keys.press('down');
    keys.type('sHurryy');
    keys.press('backspace');
    keys.type(' up');
    expect(now(keys)).toMatchObject({ mode: 'steering', text: 'Hurry up' });
    keys.press('enter');
    expect(keys.orders).toEqual([{ type: 'steer', runId: 'run_2', text: 'Hurry up' }]);
    // nothing is sent where nothing was typed
    keys.type('s ');
    keys.press('enter');
    keys.press('escape');
    expect([now(keys).mode, keys.orders.length]).toEqual(['browsing', 1]);
  });

  test('are no keys when they are pasted: text is typed, on one line, and nothing else happens', () => {
    const keys = start();
    keys.tell();
    const paste = (text: string) => keys.actor.send({ type: 'key.paste', text });
    paste('iy s p a');
    expect([now(keys).mode, keys.orders]).toEqual(['browsing', []]);
    keys.type('i');
    paste('y');
    expect([now(keys).mode, keys.orders]).toEqual(['browsing', []]);
    keys.type('s');
    paste('First this,\r\nthen \u001b[2Jthat.\n');
    expect(now(keys)).toMatchObject({ mode: 'steering', text: 'First this, then that. ' });
    keys.press('enter');
    keys.tell([question(1)]);
    paste('y\nes');
    expect(now(keys)).toMatchObject({ mode: 'answering', text: 'y es' });
    expect(keys.orders).toEqual([{ type: 'steer', runId: 'run_1', text: 'First this, then that.' }]);
  });

  test('interrupt a run only when that is confirmed', () => {
    const keys = start();
    keys.tell();
    for (const no of [
      () => keys.type('n'),
      () => keys.press('escape'),
      () => keys.press('enter'),
      () => keys.press('backspace'),
    ]) {
      keys.type('i');
      expect(now(keys).mode).toBe('confirming');
      no();
      expect(now(keys).mode).toBe('browsing');
    }
    expect(keys.orders).toEqual([]);
    keys.type('iy');
    expect(keys.orders).toEqual([{ type: 'interrupt', runId: 'run_1' }]);
  });

  test('pause a run, let one that is paused go on, and hold its spawning', () => {
    const keys = start();
    keys.type(' sip');
    expect([now(keys).mode, keys.orders]).toEqual(['browsing', []]);
    keys.tell();
    keys.type(' ');
    keys.type('p');
    const held = { runId: 'run_1', status: 'paused' as const, spawningPaused: true };
    keys.actor.send({ type: 'told', runs: [held], questions: [] });
    keys.type(' p');
    expect(keys.orders).toEqual([
      { type: 'pause', runId: 'run_1' },
      { type: 'pauseSpawning', runId: 'run_1' },
      { type: 'resume', runId: 'run_1' },
      { type: 'resumeSpawning', runId: 'run_1' },
    ]);
  });
});

describe('a question', () => {
  test('opens by itself where nothing is typed, and is answered in its place', () => {
    const keys = start();
    const [first, second] = [question(2), question(3)];
    keys.tell([first, second]);
    expect(now(keys)).toMatchObject({ mode: 'answering', open: first.id, selected: 'run_2' });
    keys.press('enter');
    expect(now(keys).mode).toBe('answering');
    keys.type('yes ');
    keys.press('enter');
    expect(keys.orders).toEqual([{ type: 'answer', question: first, text: 'yes' }]);
    // and the next one opens
    expect(now(keys)).toMatchObject({ mode: 'answering', open: second.id, text: '' });
  });

  test('takes nothing away that is being typed', () => {
    const keys = start();
    keys.tell();
    keys.type('sGo');
    keys.tell([question(2)]);
    expect(now(keys)).toMatchObject({ mode: 'steering', text: 'Go' });
    keys.press('escape');
    expect(now(keys).mode).toBe('answering');
  });

  test('that was closed opens again when it is asked for, first that of the selected run', () => {
    const keys = start();
    keys.tell([question(1)]);
    keys.press('escape');
    expect(now(keys).mode).toBe('browsing');
    keys.press('enter');
    expect(now(keys).open).toBe('run_1/1-1?');
    keys.press('escape');
    keys.tell([question(1), question(2)]);
    keys.press('escape');
    keys.type('a');
    expect(now(keys).open).toBe('run_2/1-2?');
    keys.press('escape');
    keys.press('up');
    keys.type('a');
    expect(now(keys).open).toBe('run_1/1-1?');
    // and the oldest, where the selected run asks nothing
    keys.press('escape');
    keys.press('down');
    keys.press('down');
    keys.type('a');
    expect(now(keys).open).toBe('run_1/1-1?');
  });

  test('that is answered elsewhere closes', () => {
    const keys = start();
    keys.tell([question(1)]);
    keys.type('y');
    keys.tell([]);
    expect(now(keys)).toMatchObject({ mode: 'browsing', open: null, text: '' });
  });

  test('whose answer was refused opens again, with the reason', () => {
    const keys = start();
    const asked = question(1);
    keys.tell([asked]);
    keys.type('maybe');
    keys.press('enter');
    expect(now(keys).mode).toBe('browsing');
    keys.notice({ type: 'notice', text: 'Not clear.', again: asked.id });
    expect(now(keys)).toMatchObject({ mode: 'answering', open: asked.id, notice: 'Not clear.' });
    keys.type('y');
    expect(now(keys).notice).toBe('');
  });
});

test('whatever is pressed and told, an open question is one that is asked, and orders name what there is', () => {
  const key = fc.oneof(
    fc.constantFrom<Key>(
      { type: 'key.up' },
      { type: 'key.down' },
      { type: 'key.enter' },
      { type: 'key.escape' },
      { type: 'key.backspace' },
      { type: 'key.paste', text: 'iy\n' },
    ),
    fc.constantFrom(...['a', 's', 'i', 'p', 'y', ' ', 'x']).map((text): Key => ({ type: 'key.text', text })),
  );
  const told = fc.record({ runs: fc.subarray([1, 2, 3]), asked: fc.subarray([1, 2, 3]) });
  fc.assert(
    fc.property(fc.array(fc.oneof(key, told), { maxLength: 60 }), (steps) => {
      const keys = start();
      let known: string[] = [];
      for (const step of steps) {
        const before = keys.orders.length;
        if ('runs' in step) {
          known = step.runs.map((n) => `run_${n}`);
          keys.tell(
            step.asked.filter((n) => step.runs.includes(n)).map((n) => question(n)),
            known,
          );
        } else keys.actor.send(step);
        const { mode, ...context } = now(keys);
        expect(mode === 'answering').toBe(openIn(context) !== undefined);
        for (const order of keys.orders.slice(before)) {
          expect(known).toContain(order.type === 'answer' ? order.question.runId : order.runId);
          if ('text' in order) expect(order.text.trim()).not.toBe('');
        }
      }
    }),
  );
});
