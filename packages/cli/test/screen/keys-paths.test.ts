/** Every transition of the chart of keys, on the real actor: what a person did not ask for never happens. */
import { pathsOf } from '@troupe/testing';
import { expect, test } from 'vitest';
import { createActor, fromCallback } from 'xstate';
import { frameOf } from '../../src/screen/frame.ts';
import { type Key, keysMachine, type Notice, type Order, openIn, selectedIn } from '../../src/screen/keys-machine.ts';
import { textWidth } from '../../src/text-width.ts';
import { plain } from '../../src/tree/paint.ts';
import { runsOf, treeOf } from '../../src/tree/tree.ts';
import { journal } from '../events.ts';

const log = journal();
log.start('run_1', 'lead', 5);
log.start('run_1/1-0/0', 'part');
const question = {
  id: 'run_1/1-0/0/1-0?',
  runId: 'run_1/1-0/0',
  rootId: 'run_1',
  callId: 'c',
  kind: 'confirmation' as const,
  tool: 'deploy',
  arguments: {},
  prompt: 'May I?',
  options: ['yes', 'no'],
  askedAt: 1,
};
const quiet = treeOf(log.events);
log.tell(question.runId, 'part', { type: 'question.asked', question });
const asking = treeOf(log.events);

type Told = Extract<Parameters<ReturnType<typeof createActor<typeof keysMachine>>['send']>[0], { type: 'told' }>;
const told = (tree: typeof quiet): Told => {
  const runs = [...runsOf(tree)].map(({ run }) => run);
  return {
    type: 'told',
    runs: runs.map(({ runId, status }) => ({ runId, status })),
    questions: runs.flatMap(({ questions }) => questions),
  };
};
const nothing: Told = { type: 'told', runs: [], questions: [] };
const another: Told = { type: 'told', runs: [{ runId: 'run_2', status: 'running' }], questions: [] };
const notices: Notice[] = [
  { type: 'notice', text: 'No.' },
  { type: 'notice', text: 'Not clear.', again: question.id },
];
const pressed: Key[] = [
  ...(['up', 'down', 'enter', 'escape', 'backspace'] as const).map((name): Key => ({ type: `key.${name}` })),
  ...['a', 's', 'i', 'p', ' ', 'y'].map((text): Key => ({ type: 'key.text', text })),
  { type: 'key.paste', text: 'y\n' },
];

/** What guards look at tells states apart. What was typed is something or nothing, and one letter is enough of it. */
const paths = pathsOf(keysMachine, {
  events: ({ context }) => [
    told(quiet),
    told(asking),
    nothing,
    another,
    ...notices,
    ...pressed.filter((key) => !('text' in key) || context.text.trim() === ''),
  ],
  abstract: ({ runs, questions, selected, text, open, seen }) => [
    runs.map(({ runId }) => runId),
    questions.length,
    selected,
    text.trim() !== '',
    open,
    seen,
  ],
  limit: 30_000,
});

type Step = { event: { type: string } };
type Seen = { orders: Order[]; before: string; text: string; meant: string | undefined };

/** What must hold of one step, whichever it is. */
const check = (event: Key | Told | Notice, { orders, before, text, meant }: Seen): void => {
  expect(orders.length).toBeLessThanOrEqual(1);
  const [order] = orders;
  if (!order) return;
  const letter = event.type === 'key.text' ? event.text : null;
  switch (order.type) {
    case 'interrupt':
      return expect([before, letter, order.runId]).toEqual(['confirming', 'y', meant]);
    case 'pause':
    case 'resume':
      return expect([before, letter]).toEqual(['browsing', ' ']);
    case 'pauseSpawning':
    case 'resumeSpawning':
      return expect([before, letter]).toEqual(['browsing', 'p']);
    case 'steer':
    case 'answer':
      expect([event.type, before]).toEqual(['key.enter', order.type === 'steer' ? 'steering' : 'answering']);
      if (order.type === 'steer') expect(order.runId).toBe(meant);
      expect(order.text).toBe(text.trim());
      return expect(order.text).not.toBe('');
  }
};

test('nothing is ordered but by its keys, and every state has its picture', { timeout: 30_000 }, () => {
  expect(paths.length).toBeGreaterThan(300);
  const modes = new Set<string>();
  const kinds = new Set<string>();
  for (const { steps } of paths) {
    let orders: Order[] = [];
    const control = fromCallback<Order>(({ receive }) => receive((order) => void orders.push(order)));
    const actor = createActor(keysMachine.provide({ actors: { control } })).start();
    let tree = quiet;
    /** Which run was shown as selected when the mode began. */
    let meant: string | undefined;
    for (const { event } of steps as Step[]) {
      if (event.type === 'xstate.init') continue;
      const step = event as Key | Told | Notice;
      const { value: before, context } = actor.getSnapshot();
      orders = [];
      actor.send(step);
      const { value: after, context: now } = actor.getSnapshot();
      check(step, { orders, before, text: context.text, meant });
      if (after !== before) meant = selectedIn(now)?.runId;
      expect(after === 'answering').toBe(openIn(now) !== undefined);
      for (const order of orders) {
        kinds.add(order.type);
        if ('runId' in order) expect(now.runs.map(({ runId }) => runId)).toContain(order.runId);
      }
      modes.add(after);
      if (step.type === 'told') tree = step.questions.length > 0 ? asking : quiet;
      for (const columns of [20, 80]) {
        const keys = { mode: after, context: now };
        const lines = frameOf(tree, { now: 0, columns, rows: 12, paint: plain, keys });
        expect(Math.max(0, ...lines.map(textWidth))).toBeLessThan(columns);
      }
    }
    actor.stop();
  }
  expect([...modes].sort()).toEqual(['answering', 'browsing', 'confirming', 'steering']);
  expect([...kinds].sort()).toEqual(['answer', 'interrupt', 'pause', 'pauseSpawning', 'steer']);
});
