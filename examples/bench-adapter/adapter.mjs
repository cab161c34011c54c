// Troupe in a harness that compares agent libraries: a neutral tree of agents becomes Troupe's. A sub-agent is a tool that starts a
// child run; what that costs, what it says and how it ends reaches its parent by the runtime, not by this file.
import { pathToFileURL } from 'node:url';
import { createRuntime, defineAgent, defineTool, ofType, spawned } from '@troupe/core';
import { textOfMessage } from '@troupe/protocol';
import { z } from 'zod';

/**
 * An agent, as the harness describes it to every library; `script` is what its model does.
 *
 * @typedef {{ name: string, description: string, instructions: string, maxTurns: number, tools: ToolSpec[], children: AgentSpec[] }} AgentSpec
 * @typedef {{ name: string, description: string, params(zod: typeof z): z.ZodObject, execute(args: any): Promise<string> }} ToolSpec
 * @typedef {{ id: string, name: string, args: object, delegate?: undefined } | { id: string, delegate: string, task: string }} Call
 * @typedef {{ text: string, deltas?: string[], calls?: undefined } | { calls: Call[] }} Decision
 * @typedef {(spec: AgentSpec, last: { kind: 'user' | 'tool', text: string }) => Decision} Decide
 */

/** The harness counts what every library asks of its model; its script lies beside the worker that runs this. */
const { decide } = /** @type {{ decide: Decide }} */ (
  await import(new URL('script.mjs', pathToFileURL(process.argv[1] ?? '')).href)
);

const Task = z.object({ task: z.string() });

const toolOf = (/** @type {ToolSpec} */ { name, description, params, execute }) =>
  defineTool({ name, description, inputSchema: params(z), execute });

const delegateTo = (/** @type {AgentSpec} */ spec, /** @type {Map<string, AgentSpec>} */ specs) => {
  const agent = agentOf(spec, specs);
  return defineTool({
    name: `delegate_${spec.name}`,
    description: spec.description,
    inputSchema: Task,
    execute: ({ task }) => spawned([{ agent, job: task }]),
    settle: ([child]) => ({
      content: child?.text ?? child?.fault?.message ?? '',
      isError: child?.status !== 'completed',
    }),
  });
};

/** @returns {import('@troupe/core').Agent<any>} */
const agentOf = (/** @type {AgentSpec} */ spec, /** @type {Map<string, AgentSpec>} */ specs) => {
  specs.set(spec.name, spec);
  return defineAgent({
    name: spec.name,
    description: spec.description,
    instructions: spec.instructions,
    tools: [...spec.tools.map(toolOf), ...spec.children.map((child) => delegateTo(child, specs))],
    // As many calls as a scenario makes: what is compared is the same work for all.
    budget: { turns: spec.maxTurns, toolCalls: 20_000 },
  });
};

/**
 * The harness's model: it answers at once, by the last message.
 *
 * @returns {import('@troupe/protocol').ModelProvider}
 */
const scripted = (/** @type {Map<string, AgentSpec>} */ specs) => ({
  async *takeTurn({ messages }, { context }) {
    const spec = specs.get(context.agent);
    const last = messages.at(-1);
    if (!spec || !last) throw new Error(`Nobody wrote what "${context.agent}" says.`);
    const decision = decide(spec, { kind: last.role === 'tool' ? 'tool' : 'user', text: textOfMessage(last) });
    if (decision.calls) {
      for (const call of decision.calls) {
        const [name, args] =
          call.delegate === undefined ? [call.name, call.args] : [`delegate_${call.delegate}`, { task: call.task }];
        yield { type: 'call', id: call.id, name, arguments: JSON.stringify(args) };
      }
      yield { type: 'finish', reason: 'calls' };
      return;
    }
    for (const delta of decision.deltas ?? [decision.text]) yield { type: 'text', delta };
    yield { type: 'finish', reason: 'stop' };
  },
});

export default {
  name: 'troupe',
  packages: ['@troupe/core', '@troupe/protocol', 'zod'],
  persistPackages: ['@troupe/store-sqlite'],
  persistence: '@troupe/store-sqlite: every event, the run and its checkpoint; WAL, synchronous=NORMAL',
  setup() {},
  /**
   * @param {AgentSpec} spec
   * @param {{ persist?: string }} options `persist`: the path of a file, for scenarios that store their runs.
   */
  async build(spec, { persist } = {}) {
    const specs = new Map();
    const lead = agentOf(spec, specs);
    const store = persist
      ? (await import('@troupe/store-sqlite')).sqliteStore({ path: persist, durability: 'normal' })
      : undefined;
    const runtime = createRuntime({ provider: scripted(specs), model: 'scripted', ...(store && { store }) });
    return {
      /** @param {string} input @param {{ onDelta?(text: string): void }} [told] */
      async run(input, { onDelta } = {}) {
        const run = runtime.start(lead, input);
        if (onDelta)
          run.events$.pipe(ofType('text.streamed')).subscribe(({ runId, delta }) => {
            if (runId !== run.id) onDelta(delta);
          });
        const { status, text, fault } = await run.ended;
        if (status !== 'completed') throw new Error(`The run ended ${status}: ${fault?.message}`);
        // Nobody looks back here. Otherwise runs are kept in memory until the program ends.
        if (!store) await runtime.runs.prune({ olderThan: 0 });
        return text;
      },
      async close() {
        await runtime.close();
        await store?.close();
      },
    };
  },
};
