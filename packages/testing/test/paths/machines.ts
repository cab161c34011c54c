import { assign, fromCallback, fromPromise, setup } from 'xstate';

/** The types of a machine, which exist only for the compiler. */
const typesOf = <T>() => ({}) as T;

/** Invokes and waits: a payment that is tried twice, and given up when it takes too long. */
export const payment = setup({
  types: typesOf<{
    context: { tries: number; log: string[] };
    events: { type: 'cancel' } | { type: 'noise' };
    input: { tries: number };
  }>(),
  actors: { pay: fromPromise<string>(() => new Promise(() => {})) },
  delays: { patience: 1_000 },
  guards: { mayRetry: ({ context }) => context.tries > 1 },
  actions: {
    count: assign({ tries: ({ context }) => context.tries - 1, log: ({ context }) => [...context.log, 'again'] }),
  },
}).createMachine({
  context: ({ input }) => ({ tries: input.tries, log: [] }),
  initial: 'paying',
  states: {
    paying: {
      invoke: {
        id: 'payment',
        src: 'pay',
        onDone: 'paid',
        onError: [{ guard: 'mayRetry', actions: 'count', target: 'paying', reenter: true }, { target: 'refused' }],
      },
      after: { patience: 'late' },
      on: { cancel: 'cancelled' },
    },
    paid: { type: 'final' },
    refused: { type: 'final' },
    late: { on: { cancel: 'cancelled' } },
    cancelled: { type: 'final' },
  },
});

/** Spawns: two workers, of which one speaks while it works. */
export const crew = setup({
  types: typesOf<{
    context: { left: string[]; heard: number };
    events: { type: 'note' } | { type: 'finished'; id: string };
  }>(),
  actors: { worker: fromPromise(() => new Promise(() => {})), speaker: fromCallback(() => {}) },
  guards: { isLast: ({ context }) => context.left.length === 1 },
  actions: { hear: assign({ heard: ({ context }) => context.heard + 1 }) },
}).createMachine({
  context: ({ spawn }) => {
    spawn('worker', { id: 'w' });
    spawn('speaker', { id: 's' });
    return { left: ['w', 's'], heard: 0 };
  },
  initial: 'working',
  states: {
    working: {
      on: {
        'xstate.done.actor.w': [
          { guard: 'isLast', target: 'done' },
          { actions: assign({ left: ({ context }) => context.left.filter((id: string) => id !== 'w') }) },
        ],
        note: { actions: 'hear' },
        finished: [
          { guard: 'isLast', target: 'done' },
          { actions: assign({ left: ({ context, event }) => context.left.filter((id: string) => id !== event.id) }) },
        ],
      },
    },
    done: { type: 'final' },
  },
});

/** Neither: what `@xstate/graph` can explore by itself. */
export const document = setup({
  types: typesOf<{
    context: { edits: number };
    events: { type: 'edit' } | { type: 'send' } | { type: 'accept' } | { type: 'reject' };
  }>(),
  guards: { mayEdit: ({ context }) => context.edits < 2 },
}).createMachine({
  context: { edits: 0 },
  initial: 'draft',
  states: {
    draft: {
      on: {
        edit: { guard: 'mayEdit', actions: assign({ edits: ({ context }) => context.edits + 1 }) },
        send: 'review',
      },
    },
    review: {
      type: 'parallel',
      states: {
        text: { initial: 'open', states: { open: { on: { accept: 'fine' } }, fine: { type: 'final' } } },
        law: { initial: 'open', states: { open: { on: { accept: 'fine' } }, fine: { type: 'final' } } },
      },
      on: { reject: 'draft' },
      onDone: 'published',
    },
    published: { type: 'final' },
  },
});
