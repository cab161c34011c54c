// XState, where it costs least: one machine for each agent, one promise for the model's turn and one for all its calls. A child is
// an actor of the same system by `createActor(machine, { parent })`: it stands in nobody's snapshot, so nothing is copied for each.
// Given up: a snapshot of the whole tree, and children that stop with their parent.
import { assign, createActor, fromPromise, setup } from 'xstate';
import { floorOf, opening, takeTurn, toolFor } from './agents.mjs';

/**
 * @typedef {import('./agents.mjs').FloorAgent} FloorAgent
 * @typedef {import('./agents.mjs').Call} Call
 * @typedef {import('./agents.mjs').Message} Message
 * @typedef {{ onDelta?: import('./agents.mjs').OnDelta | undefined, steps?: import('./agents.mjs').Steps | undefined }} World
 * @typedef {{ agent: FloorAgent, task: string, world: World, isLead: boolean }} Input
 * @typedef {Input & { messages: Message[], calls: Call[], text: string | undefined }} Context
 */

/** @type {{ context: Context, input: Input, output: string | undefined }} */
const types = /** @type {any} */ ({});

const model = fromPromise(
  /** @type {(given: { input: Context }) => Promise<import('./agents.mjs').Turn>} */
  ({ input: { agent, messages, world, isLead } }) =>
    takeTurn(agent, messages, world.onDelta !== undefined, isLead ? undefined : world.onDelta),
);

const calls = fromPromise(
  /** @type {(given: { input: Context, self: import('xstate').AnyActorRef }) => Promise<Message[]>} */
  ({ input: { agent, calls, world }, self }) =>
    Promise.all(
      calls.map(async (call) => {
        const tool = toolFor(agent, call);
        const args = tool.schema.parse(call.args);
        const content = await (tool.child
          ? runAgent({ agent: tool.child, task: /** @type {any} */ (args).task, world, isLead: false }, self)
          : tool.execute(args));
        return { role: /** @type {const} */ ('tool'), id: call.id, content };
      }),
    ),
);

/** thinking ──calls──▶ acting ──all answered──▶ thinking · ──no calls──▶ answered; what throws ──▶ failed */
const machine = setup({
  types,
  actors: { model, calls },
}).createMachine({
  context: ({ input }) => ({ ...input, messages: opening(input.agent, input.task), calls: [], text: undefined }),
  initial: 'thinking',
  states: {
    thinking: {
      invoke: {
        src: 'model',
        input: ({ context }) => context,
        onDone: [
          {
            guard: ({ event }) => event.output.calls !== undefined,
            target: 'acting',
            actions: assign(({ context, event }) => {
              const asked = event.output.calls ?? [];
              context.messages.push({ role: 'assistant', calls: asked });
              return { calls: asked };
            }),
          },
          { target: 'answered', actions: assign({ text: ({ event }) => event.output.text }) },
        ],
        onError: 'failed',
      },
    },
    acting: {
      invoke: {
        src: 'calls',
        input: ({ context }) => context,
        onDone: {
          target: 'thinking',
          actions: ({ context, event }) => {
            for (const result of event.output) context.messages.push(result);
          },
        },
        onError: 'failed',
      },
    },
    answered: { type: 'final' },
    failed: { type: 'final' },
  },
  output: ({ context }) => context.text,
});

const withoutWorld = (/** @type {string} */ key, /** @type {any} */ value) =>
  key === 'agent' ? value.spec?.name : key === 'world' ? undefined : value;

/** @type {(input: Input, parent?: import('xstate').AnyActorRef) => Promise<string>} */
const runAgent = (input, parent) =>
  new Promise((resolve, reject) => {
    const actor = createActor(machine, { input, ...(parent && { parent }) });
    const steps = input.world.steps?.begin();
    actor.subscribe({
      ...(steps && { next: () => steps.add(JSON.stringify(actor.getPersistedSnapshot(), withoutWorld)) }),
      complete() {
        const { output } = actor.getSnapshot();
        if (output === undefined) reject(new Error(`Agent "${input.agent.spec.name}" failed.`));
        else resolve(output);
      },
      error: reject,
    });
    actor.start();
  });

export default floorOf({
  name: 'floor-xstate-lean',
  persistence: 'the snapshot of the agent whose state has changed',
  run: (agent, task, world) => runAgent({ agent, task, world, isLead: true }),
});
