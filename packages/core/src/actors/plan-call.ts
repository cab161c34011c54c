import { type JSONValue, messageOf, type Question, redact, type ToolCall, toJSON } from '@troupe/protocol';
import type { PlannedCall } from '../agent/context.ts';
import type { Tool } from '../define-tool.ts';
import { check } from './check.ts';
import { describe, refusalOf, type View } from './view.ts';

type Ask = Pick<Question, 'kind' | 'prompt' | 'options' | 'inputKey'>;
type Arguments = { [key: string]: JSONValue };

const parse = (text: string): Arguments | null => {
  if (text.trim() === '') return {};
  try {
    const value = toJSON(JSON.parse(text));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
};

const mustConfirm = async (tool: Tool, args: Arguments): Promise<boolean> => {
  if (typeof tool.confirm !== 'function') return tool.confirm === true;
  // What does not fit, or cannot be checked, is not executed: the call says why.
  const checked = await checkSafely(tool, args);
  if ('problem' in checked) return false;
  try {
    // Its type says that it answers at once; what it does may be otherwise.
    const answer: unknown = tool.confirm(checked.value as never);
    return Boolean(await answer);
  } catch {
    return true;
  }
};

const checkSafely = async (tool: Tool, args: Arguments): Promise<Awaited<ReturnType<typeof check>>> => {
  try {
    return await check(tool.inputSchema, args);
  } catch (error) {
    return { problem: messageOf(error) };
  }
};

const askOf = async (tool: Tool, args: Arguments, view: View): Promise<Ask | null> => {
  const path = typeof args.path === 'string' ? ` (${args.path})` : '';
  const asked = typeof args.question === 'string' ? args.question : undefined;
  if (tool.askUser)
    return {
      kind: 'input',
      prompt: asked ?? tool.prompt ?? describe(tool, view),
      options: [],
      inputKey: tool.inputKey ?? 'user_input',
    };
  if (tool.handoff) return { kind: 'handoff', prompt: tool.prompt ?? asked ?? describe(tool, view), options: [] };
  if (await mustConfirm(tool, args))
    return {
      kind: 'confirmation',
      prompt: `${tool.prompt ?? (describe(tool, view) || `Confirm ${tool.name}`)}${path}`,
      options: ['yes', 'no'],
    };
  return null;
};

/** How many calls of a tool this turn may hold; a tool that cannot say so allows one. */
const maxOf = ({ maxPerTurn }: Tool, view: View): number | undefined => {
  if (typeof maxPerTurn !== 'function') return maxPerTurn;
  try {
    return Math.max(Math.floor(maxPerTurn(view())) || 1, 1);
  } catch {
    return 1;
  }
};

/**
 * Understands a call as the model made it: finds its tool, parses its arguments, asks whether a person must be heard.
 *
 * @param isCut Whether the answer was cut off: arguments that are none may have been about to come.
 */
export const planCall = async (
  call: ToolCall,
  tools: ReadonlyMap<string, Tool>,
  view: View,
  isCut: boolean,
): Promise<PlannedCall> => {
  const { id: callId, name } = call;
  const args = parse(call.arguments);
  const found = { callId, tool: name, arguments: args ?? {} };
  const tool = tools.get(name);
  if (!tool)
    return { ...found, problem: `Tool not found: ${name}. Available: ${[...tools.keys()].join(', ') || 'none'}.` };
  const problem = refusalOf(tool, view);
  if (problem !== undefined) return { ...found, problem };
  const maxPerTurn = maxOf(tool, view);
  const planned = { ...found, ...(maxPerTurn !== undefined && Number.isFinite(maxPerTurn) && { maxPerTurn }) };
  if (isCut && (args === null || call.arguments.trim() === ''))
    return {
      ...planned,
      problem: `The answer was cut off before the arguments of "${name}" were complete: nothing was done. Make the call again, in an answer that is shorter.`,
    };
  if (args === null)
    return {
      ...planned,
      problem: `The arguments of "${name}" are not a JSON object. Found: ${redact(call.arguments).slice(0, 200)}`,
    };
  const asks = await askOf(tool, args, view);
  return { ...planned, ...(asks && { asks }), ...(tool.settle && { delegates: true }) };
};
