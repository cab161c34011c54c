// XState as its documentation has it: one machine for each agent, which spawns an actor for each call; a child agent is one of them.
// What it keeps is a snapshot of the whole tree, whenever any agent of it has changed.
import { assign, createActor, fromPromise, setup, stopChild } from 'xstate';
import { floorOf, opening, takeTurn, toolFor } from './agents.mjs';

/**
 * @typedef {import('./agents.mjs').FloorAgent} FloorAgent
 * @typedef {import('./agents.mjs').Call} Call
 * @typedef {import('./agents.mjs').Message} Message
 * @typedef {import('./agents.mjs').OnDelta} OnDelta
 * @typedef {{ agent: FloorAgent, task: string, isLead: boolean, onDelta?: OnDelta | undefined }} Input
 * @typedef {Input & { messages: Message[], places: Record<string, number>, results: Message[], pending: number, text: string | undefined }} Context
 * @typedef {{ type: 'delta', text: string } | { type: `xstate.done.actor.${string}`, output: any, actorId: string } | { type: `xstate.error.actor.${string}`, actorId: string }} Happening
 */

/** @type {{ context: Context, input: Input, events: Happening, output: string | undefined }} */
const types = /** @type {any} */ ({});

const model = fromPromise(
  /** @type {(given: { input: Context }) => Promise<import('./agents.mjs').Turn>} */
  ({ input: { agent, messages, onDelta, isLead } }) =>
    takeTurn(agent, messages, onDelta !== undefined, isLead ? undefined : onDelta),
);
const call = fromPromise(
  /** @type {(given: { input: { execute(args: any): Promise<string>, args: any } }) => Promise<string>} */
  ({ input: { execute, args } }) => execute(args),
);

/**
 * thinking ──calls──▶ acting ──all answered──▶ thinking · ──no calls──▶ answered; what throws ──▶ failed
 *
 * @type {import('xstate').AnyStateMachine}
 */
const machine = setup({
  types,
  actors: { model, call },
}).createMachine({
  context: ({ input }) => ({
    ...input,
    messages: opening(input.agent, input.task),
    places: {},
    results: [],
    pending: 0,
    text: undefined,
  }),
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
            actions: assign(({ context, event, spawn, self }) => {
              const calls = event.output.calls ?? [];
              context.messages.push({ role: 'assistant', calls });
              for (const each of calls) {
                const tool = toolFor(context.agent, each);
                const args = tool.schema.parse(each.args);
                const onDelta = context.onDelta && ((/** @type {string} */ text) => self.send({ type: 'delta', text }));
                if (tool.child) {
                  const input = { agent: tool.child, task: /** @type {any} */ (args).task, isLead: false, onDelta };
                  /** @type {any} */ (spawn)(machine, { id: each.id, input });
                } else spawn('call', { id: each.id, input: { execute: tool.execute, args } });
              }
              const places = Object.fromEntries(calls.map(({ id }, place) => [id, place]));
              return { places, results: [], pending: calls.length };
            }),
          },
          { target: 'answered', actions: assign({ text: ({ event }) => event.output.text }) },
        ],
        onError: 'failed',
      },
    },
    acting: {
      on: {
        delta: { actions: ({ context, event }) => context.onDelta?.(event.text) },
        'xstate.done.actor.*': {
          actions: [
            assign(({ context, event }) => {
              const { actorId: id, output: content } = event;
              context.results[context.places[id] ?? 0] = { role: 'tool', id, content };
              return { pending: context.pending - 1 };
            }),
            // What has ended would stand in the snapshot for ever.
            stopChild(({ event }) => event.actorId),
          ],
        },
        'xstate.error.actor.*': 'failed',
      },
      always: {
        guard: ({ context }) => context.pending === 0,
        target: 'thinking',
        actions: ({ context }) => {
          for (const result of context.results) context.messages.push(result);
        },
      },
    },
    answered: { type: 'final' },
    failed: { type: 'final' },
  },
  output: ({ context }) => context.text,
});

const agentByName = (/** @type {string} */ key, /** @type {any} */ value) =>
  key === 'agent' ? value.spec?.name : value;

/** @type {(input: Input, steps?: import('./agents.mjs').Steps) => Promise<string>} */
const runAgent = (input, steps) =>
  new Promise((resolve, reject) => {
    const kept = steps?.begin();
    /** @type {import('xstate').Actor<typeof machine> | undefined} */
    let actor;
    /** @type {(seen: import('xstate').InspectionEvent) => void} */
    const keep = (seen) => {
      if (seen.type !== '@xstate.snapshot' || seen.event.type === 'delta' || !actor) return;
      const { logic } = /** @type {{ logic?: { config?: unknown } }} */ (seen.actorRef);
      if (!logic?.config || actor.getSnapshot().status === 'stopped') return;
      kept?.add(JSON.stringify(actor.getPersistedSnapshot(), agentByName));
    };
    actor = createActor(machine, { input, ...(kept && { inspect: keep }) });
    actor.subscribe({
      complete() {
        const output = actor?.getSnapshot().output;
        if (output === undefined) reject(new Error(`Agent "${input.agent.spec.name}" failed.`));
        else resolve(output);
      },
      error: reject,
    });
    actor.start();
  });

export default floorOf({
  name: 'floor-xstate',
  persistence: 'the snapshot of the whole tree, whenever an agent has changed',
  run: (agent, task, { onDelta, steps }) => runAgent({ agent, task, isLead: true, onDelta }, steps),
});
