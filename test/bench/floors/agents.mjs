// What the floors share: tools that are looked up by name, a model that answers from a script, and steps kept in SQLite.
import { z } from 'zod';
import { decide } from '../script.mjs';

/**
 * @typedef {import('../script.mjs').AgentSpec} AgentSpec
 * @typedef {{ role: 'system' | 'user' | 'assistant' | 'tool', content?: string, id?: string, calls?: Call[] }} Message
 * @typedef {{ id: string, name: string, args: any }} Call
 * @typedef {{ calls: Call[], text?: undefined } | { text: string, calls?: undefined }} Turn
 * @typedef {{ schema: import('zod').ZodObject, execute(args: any): Promise<string>, child?: undefined } | { schema: import('zod').ZodObject, child: FloorAgent }} FloorTool
 * @typedef {{ spec: AgentSpec, tools: Map<string, FloorTool> }} FloorAgent
 * @typedef {(text: string) => void} OnDelta
 */

/** @type {(spec: AgentSpec) => FloorAgent} */
const agentOf = (spec) => {
  /** @type {Map<string, FloorTool>} */
  const tools = new Map();
  for (const { name, params, execute } of spec.tools) tools.set(name, { schema: params(z), execute });
  const schema = z.object({ task: z.string() });
  for (const child of spec.children) tools.set(`delegate_${child.name}`, { schema, child: agentOf(child) });
  return { spec, tools };
};

/** @type {(agent: FloorAgent, call: Call) => FloorTool} */
export const toolFor = ({ spec, tools }, { name }) => {
  const tool = tools.get(name);
  if (!tool) throw new Error(`Agent "${spec.name}" has no tool "${name}".`);
  return tool;
};

/** @type {(agent: FloorAgent, task: string) => Message[]} */
export const opening = ({ spec }, task) => [
  { role: 'system', content: spec.instructions },
  { role: 'user', content: task },
];

/** @type {(agent: FloorAgent, messages: Message[]) => ReturnType<typeof decide>} */
const decisionOf = ({ spec }, messages) => {
  const last = messages.at(-1);
  return decide(spec, { kind: last?.role === 'tool' ? 'tool' : 'user', text: last?.content ?? '' });
};

/** @type {(calls: import('../script.mjs').Call[]) => Call[]} */
const callsIn = (calls) =>
  calls.map((call) =>
    call.delegate === undefined ? call : { id: call.id, name: `delegate_${call.delegate}`, args: { task: call.task } },
  );

/** @type {(agent: FloorAgent, messages: Message[]) => AsyncGenerator<{ calls: Call[] } | { delta: string }>} */
async function* streamTurn(agent, messages) {
  const { calls, deltas, text } = /** @type {{ calls?: any, deltas?: string[], text: string }} */ (
    decisionOf(agent, messages)
  );
  if (calls) yield { calls: callsIn(calls) };
  else for (const delta of deltas ?? [text]) yield { delta };
}

/** One turn; part by part where somebody listens. @type {(agent: FloorAgent, messages: Message[], listening: boolean, onDelta?: OnDelta) => Promise<Turn>} */
export const takeTurn = async (agent, messages, listening, onDelta) => {
  if (!listening) {
    const decision = decisionOf(agent, messages);
    return decision.calls ? { calls: callsIn(decision.calls) } : { text: decision.text };
  }
  let text = '';
  for await (const part of streamTurn(agent, messages)) {
    if ('calls' in part) return part;
    text += part.delta;
    onDelta?.(part.delta);
  }
  return { text };
};

/** One row for each step, committed when `add` returns, as durable as a store with `durability: 'normal'`. */
const openSteps = async (/** @type {string} */ path) => {
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE steps (run INTEGER, seq INTEGER, body TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID;`);
  const insert = db.prepare('INSERT INTO steps VALUES (?, ?, ?)');
  let runs = 0;
  return {
    /** The steps of one more run. */
    begin() {
      runs += 1;
      const run = runs;
      let seq = 0;
      const add = (/** @type {string} */ body) => {
        insert.run(run, seq, body);
        seq += 1;
      };
      return {
        add,
        /** All of them or none. */
        addAll(/** @type {string[]} */ bodies) {
          if (bodies.length > 1) db.exec('BEGIN');
          for (const body of bodies) add(body);
          if (bodies.length > 1) db.exec('COMMIT');
        },
      };
    },
    close: () => db.close(),
  };
};
/** @typedef {Awaited<ReturnType<typeof openSteps>>} Steps */

/**
 * A floor as the worker takes it.
 *
 * @param {{ name: string, persistence: string, run(agent: FloorAgent, task: string, world: { onDelta?: OnDelta | undefined, steps?: Steps | undefined }): Promise<string> }} floor
 */
export const floorOf = ({ name, persistence, run }) => ({
  name,
  persistence: `node:sqlite: ${persistence}; WAL, synchronous=NORMAL`,
  setup() {},
  /** @param {AgentSpec} spec @param {{ persist?: string }} options */
  async build(spec, { persist } = {}) {
    const agent = agentOf(spec);
    const steps = persist ? await openSteps(persist) : undefined;
    return {
      /** @param {string} task @param {{ onDelta?: OnDelta }} [told] */
      run: (task, { onDelta } = {}) => run(agent, task, { onDelta, steps }),
      close: () => steps?.close(),
    };
  },
});
