// The least that can do the work: a loop of promises. Nothing limits it, stops it, or tells what it does.
import { floorOf, opening, takeTurn, toolFor } from './agents.mjs';

/**
 * @typedef {import('./agents.mjs').FloorAgent} FloorAgent
 * @typedef {{ onDelta?: import('./agents.mjs').OnDelta | undefined, steps?: import('./agents.mjs').Steps | undefined }} World
 */

/** @type {(agent: FloorAgent, task: string, world: World, isLead?: boolean) => Promise<string>} */
const runAgent = async (agent, task, world, isLead = false) => {
  const messages = opening(agent, task);
  const steps = world.steps?.begin();
  let kept = 0;
  const keep = () => {
    steps?.addAll(messages.slice(kept).map((message) => JSON.stringify(message)));
    kept = messages.length;
  };
  keep();
  for (let turn = 0; turn < agent.spec.maxTurns; turn++) {
    const { calls, text } = await takeTurn(
      agent,
      messages,
      world.onDelta !== undefined,
      isLead ? undefined : world.onDelta,
    );
    messages.push(calls ? { role: 'assistant', calls } : { role: 'assistant', content: text });
    keep();
    if (!calls) return text;
    const answer = async (/** @type {import('./agents.mjs').Call} */ call) => {
      const tool = toolFor(agent, call);
      const args = tool.schema.parse(call.args);
      return tool.child ? runAgent(tool.child, /** @type {any} */ (args).task, world) : tool.execute(args);
    };
    const results = await Promise.all(
      calls.map(async (call) => ({ role: /** @type {const} */ ('tool'), id: call.id, content: await answer(call) })),
    );
    for (const result of results) messages.push(result);
    keep();
  }
  throw new Error(`Agent "${agent.spec.name}" took more than ${agent.spec.maxTurns} turns.`);
};

export default floorOf({
  name: 'floor-handwritten',
  persistence: 'a row for each message, a commit for each step',
  run: (agent, task, world) => runAgent(agent, task, world, true),
});
