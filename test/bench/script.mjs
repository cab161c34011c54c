// What agents are asked to do in the benchmark, in no library's words. A tree of agents is data; each has a script, which is its
// model. A script looks at the last message only, so that a model costs the same however long a conversation is.

/**
 * What an adapter makes of this is a library's own agent; sub-agents are offered by the library's own delegation.
 *
 * @typedef {{ name: string, description: string, instructions: string, maxTurns: number, tools: ToolSpec[], children: AgentSpec[], script: Script }} AgentSpec
 * @typedef {{ name: string, description: string, params(zod: typeof import('zod').z): import('zod').ZodObject, execute(args: any): Promise<string> }} ToolSpec
 * @typedef {(last: { kind: 'user' | 'tool', text: string }) => Decision} Script
 * @typedef {{ id: string, name: string, args: object, delegate?: undefined } | { id: string, delegate: string, task: string }} Call
 * @typedef {{ text: string, deltas?: string[], calls?: undefined } | { text?: undefined, calls: Call[] }} Decision
 */

/** Model and tool calls so far. What a run must have made of them is in its tree: nobody gets by with less. */
export const asked = { model: 0, tool: 0 };

/** One turn of a model: every adapter's model calls this once for each. @type {(spec: AgentSpec, last: Parameters<Script>[0]) => Decision} */
export const decide = (spec, last) => {
  asked.model += 1;
  return spec.script(last);
};

let ids = 0;
const nextId = () => {
  ids += 1;
  return `call_${ids.toString(36).padStart(8, '0')}`;
};

const gate = { waiting: 0, room: 0, full: Promise.withResolvers(), opened: Promise.withResolvers() };

/** Closes the gate at which the tool `wait` stands. `full` settles when `room` calls wait there; `open` lets them go. */
export const closeGate = (/** @type {number} */ room) => {
  Object.assign(gate, { waiting: 0, room, full: Promise.withResolvers(), opened: Promise.withResolvers() });
  return { full: gate.full.promise, open: () => gate.opened.resolve('approved') };
};

/** @type {ToolSpec} */
const step = {
  name: 'step',
  description: 'Returns its argument.',
  params: (z) => z.object({ i: z.number().int() }),
  async execute({ i }) {
    asked.tool += 1;
    return String(i);
  },
};

/** @type {ToolSpec} */
const wait = {
  ...step,
  name: 'wait',
  description: 'Waits for an approval.',
  execute() {
    asked.tool += 1;
    gate.waiting += 1;
    if (gate.waiting === gate.room) gate.full.resolve(undefined);
    return /** @type {Promise<string>} */ (gate.opened.promise);
  },
};

/** @type {(name: string, given: Partial<AgentSpec> & { script: Script }) => AgentSpec} */
const agent = (name, given) => ({
  name,
  description: `agent ${name}`,
  instructions: `You are ${name}.`,
  maxTurns: 16,
  tools: [],
  children: [],
  ...given,
});

/** Calls first, then says `text`. @type {(calls: () => Call[], text: string) => Script} */
const callsThen = (calls, text) => (last) => (last.kind === 'user' ? { calls: calls() } : { text });

/** @type {(tool: ToolSpec) => AgentSpec} */
const childWith = (tool) =>
  agent('child', {
    tools: [tool],
    script: callsThen(() => [{ id: nextId(), name: tool.name, args: { i: 1 } }], 'child done'),
  });

/** @type {(child: AgentSpec, size: number) => AgentSpec} */
const leadOf = (child, size) => {
  const delegate = (/** @type {unknown} */ _, /** @type {number} */ part) => ({
    id: nextId(),
    delegate: child.name,
    task: `part ${part}`,
  });
  return agent('lead', { children: [child], script: callsThen(() => Array.from({ length: size }, delegate), 'done') });
};

/**
 * Trees by name. `asks` is what one run must ask of models and tools; `says`, what its children must be heard saying.
 *
 * @typedef {{ lead: AgentSpec, asks: { model: number, tool: number }, says?: string }} Tree
 * @satisfies {Record<string, (size: number) => Tree>}
 */
export const trees = {
  turn: () => ({ lead: agent('lead', { script: () => ({ text: 'done' }) }), asks: { model: 1, tool: 0 } }),

  /** `turns` turns that call a tool, and the last one. */
  loop: (/** @type {number} */ turns) => ({
    lead: agent('lead', {
      tools: [step],
      maxTurns: turns + 8,
      script(last) {
        const i = last.kind === 'user' ? 0 : Number(last.text);
        return i < turns ? { calls: [{ id: nextId(), name: 'step', args: { i: i + 1 } }] } : { text: 'done' };
      },
    }),
    asks: { model: turns + 1, tool: turns },
  }),

  delegation: () => ({
    lead: leadOf(agent('child', { script: () => ({ text: 'child done' }) }), 1),
    asks: { model: 3, tool: 0 },
  }),

  /** All children in one turn; each calls a tool and answers. */
  crowd: (/** @type {number} */ size) => ({
    lead: leadOf(childWith(step), size),
    asks: { model: 2 + 2 * size, tool: size },
  }),

  waiting: (/** @type {number} */ size) => ({
    lead: leadOf(childWith(wait), size),
    asks: { model: 2 + 2 * size, tool: size },
  }),

  /** `depth` delegations, each below the one before. */
  chain: (/** @type {number} */ depth) => {
    let lead = agent(`agent_${depth}`, { script: () => ({ text: 'done' }) });
    for (let above = depth - 1; above >= 0; above--) lead = { ...leadOf(lead, 1), name: `agent_${above}` };
    return { lead, asks: { model: 2 * depth + 1, tool: 0 } };
  },

  talk: (/** @type {number} */ size) => {
    const deltas = Array.from({ length: size }, (_, i) => `t${i % 10} `);
    const text = deltas.join('');
    return {
      lead: leadOf(agent('child', { script: () => ({ text, deltas }) }), 1),
      asks: { model: 3, tool: 0 },
      says: text,
    };
  },
};
