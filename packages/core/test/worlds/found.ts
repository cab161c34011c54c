/** Worlds that broke a law once. They are played before the random ones, each time. */
import type { Plan } from './plan.ts';

const plain: Plan = {
  said: ['text'],
  deeds: ['text'],
  delays: [0],
  budget: {},
  agentBudget: {},
  features: [],
  rude: [],
  steps: [],
  reactions: [],
  bombs: {},
  end: 'close',
};

export const calmWorlds: Plan[] = [
  // Commits of two runs of one tree overtook each other (L6).
  { ...plain, said: ['spawn'], features: ['slow store'] },
  // A logger that throws took the inspected run with it (L8).
  { ...plain, said: ['one'], rude: ['inspector', 'logger'] },
  // What a model had used when its run was stopped was charged to nobody (L9) …
  { ...plain, said: ['half'], features: ['in a machine'], end: 'stop' },
  // … and by a parent that was not told of it (L4).
  { ...plain, said: ['spawn', 'half'], features: ['in a machine'], end: 'stop' },
  // A command to a run whose end was being written brought its tree to life a second time (L1).
  {
    ...plain,
    said: ['delegate', 'delegate', 'same ids', 'delegate'],
    delays: [1, 0],
    budget: { turns: 1 },
    steps: [
      { command: 'pause', who: 0, ms: 20 },
      { command: 'nothing', who: 0, ms: 20 },
      { command: 'pause', who: 0, ms: 1 },
    ],
  },
];

export const wildWorlds: Plan[] = [
  // A run that broke while its child was at work on the stack ended before it (L2).
  { ...plain, said: ['spawn rich', 'input', 'one'], bombs: { canGoOn: 2 } },
  // A child that ended at once was looked for in a store that did not have it yet; the crew broke, and its tools went on (L9).
  { ...plain, said: ['empty', 'spawn rich', 'text'], features: ['slow store'], bombs: { openTurn: 3 } },
];
