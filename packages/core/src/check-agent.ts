/** Whether what an agent is made of, or what is given out as one, is what it should be. Types say so, too; not everybody has them. */
import { FaultError } from '@troupe/protocol';
import type { AgentOptions, AnyAgent } from './define-agent.ts';
import { isAgent, isTool, sentence, whatIs } from './what-is.ts';

const invalid = (message: string): FaultError => new FaultError('agent.invalid', message);

/** Whether it is a `{ … }`. */
const isPlain = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** An agent that was handed over, in words: by its name where that is all there is of it. */
const handedOver = (given: unknown): string => (typeof given === 'string' ? 'only a name, as text' : whatIs(given));

/** @param to Who was given it. @throws FaultError `agent.invalid` */
export function checkAgent(given: unknown, to: string): asserts given is AnyAgent {
  if (isAgent(given)) return;
  throw invalid(
    `${to} was given ${sentence(handedOver(given))} Expected an agent made by defineAgent({ name, instructions, … }).`,
  );
}

/** What others say of an agent, and where it is said here. */
const elsewhere = {
  agents: 'An agent reaches others through a tool that spawns them: give it one in tools.',
  before: 'Hooks belong to a tool: defineTool({ …, before: [{ run(call) { … } }] }).',
  after: 'Hooks belong to a tool: defineTool({ …, after: [{ run(call, result) { … } }] }).',
};

/** Checks what `defineAgent` was given, as far as it is to be read at all. @throws FaultError `agent.invalid` */
export const checkAgentOptions = (options: AgentOptions): void => {
  if (!isPlain(options))
    throw invalid(`defineAgent was given ${sentence(whatIs(options))} Expected { name, instructions, … }.`);
  const { name, tools } = options;
  if (typeof name !== 'string' || name.trim() === '')
    throw invalid(`An agent needs a name; found ${typeof name === 'string' ? 'a blank one' : whatIs(name)}.`);
  if (typeof options.instructions !== 'string') throw invalid(`Agent "${name}": instructions must be text.`);
  for (const [option, todo] of Object.entries(elsewhere))
    if (Reflect.get(options, option) !== undefined)
      throw invalid(`Agent "${name}" was given ${option}, which no agent has. ${todo}`);
  for (const option of ['settings', 'compaction', 'heartbeat'] as const)
    if (options[option] !== undefined && !isPlain(options[option]))
      throw invalid(`Agent "${name}": ${option} is ${sentence(whatIs(options[option]))} Expected { … }, or nothing.`);
  if (tools === undefined) return;
  if (!Array.isArray(tools))
    throw invalid(`Agent "${name}": tools is ${sentence(whatIs(tools))} Expected a list: [tool, …].`);
  for (const [index, tool] of tools.entries()) checkTool(tool, `Agent "${name}": tools[${index}]`);
};

const checkTool = (given: unknown, where: string): void => {
  if (isTool(given)) return;
  const expected = isAgent(given)
    ? 'Expected a tool: an agent is called through one that spawns it, so give it a tool whose execute returns spawned([{ agent, job }]).'
    : 'Expected a tool, made by defineTool({ … }) or by one of the functions that make one.';
  throw invalid(`${where} is ${sentence(whatIs(given))} ${expected}`);
};
