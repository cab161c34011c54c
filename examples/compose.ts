// node examples/compose.ts
//
// Two agents in a state machine of your own: one plans, a person's rule decides, one writes. Each is invoked like any other actor,
// and hands over a report whose data has the type of its output schema.
import { agentLogic, createRuntime, defineAgent } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { assign, createActor, setup, toPromise } from 'xstate';
import { z } from 'zod';

const planner = defineAgent({
  name: 'planner',
  instructions: 'Plan an article: a title and its sections.',
  outputSchema: z.object({ title: z.string(), sections: z.array(z.string()) }),
});
const writer = defineAgent({
  name: 'writer',
  instructions: 'Write the article.',
  outputSchema: z.object({ text: z.string(), words: z.number() }),
});

/** What each model says, so that the example runs without one. */
const provider = scriptedProvider({
  planner: [JSON.stringify({ title: 'On ants', sections: ['Who they are', 'What they do'] })],
  writer: [JSON.stringify({ text: 'Ants are many. They carry things.', words: 6 })],
});

const runtime = createRuntime({ provider, model: 'scripted' });

const article = setup({
  types: {
    input: {} as { subject: string },
    context: {} as { subject: string; title: string; sections: string[]; text: string },
    output: {} as { title: string; text: string },
  },
  actors: { plan: agentLogic(planner, runtime), write: agentLogic(writer, runtime) },
}).createMachine({
  context: ({ input: { subject } }) => ({ subject, title: '', sections: [], text: '' }),
  initial: 'planning',
  states: {
    planning: {
      invoke: {
        src: 'plan',
        input: ({ context }) => `An article on ${context.subject}.`,
        onDone: [
          {
            guard: ({ event }) => (event.output.data?.sections.length ?? 0) > 0,
            target: 'writing',
            actions: assign(({ event, context }) => ({ ...context, ...event.output.data })),
          },
          { target: 'given up' },
        ],
      },
    },
    writing: {
      invoke: {
        src: 'write',
        input: ({ context: { title, sections } }) => ({
          input: { title, sections },
          expectedOutput: 'At most 100 words.',
        }),
        onDone: { target: 'written', actions: assign({ text: ({ event }) => event.output.data?.text ?? '' }) },
      },
    },
    written: { type: 'final' },
    'given up': { type: 'final' },
  },
  output: ({ context: { title, text } }) => ({ title, text }),
});

const { title, text } = await toPromise(createActor(article, { input: { subject: 'ants' } }).start());
console.log(`${title}\n\n${text}`);
await runtime.close();
