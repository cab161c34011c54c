/**
 * A background unit: a root run whose model is code. It makes one call, of the tool that dispatched it, and answers with what comes of
 * that. So a unit is stored, recovered, interrupted, replayed and watched like every other run.
 */
import {
  hashOf,
  type Message,
  type ModelPart,
  type ModelProvider,
  noUsage,
  type RunRow,
  textOfMessage,
} from '@troupe/protocol';
import { type AnyAgent, defineAgent } from '../define-agent.ts';
import type { Tool } from '../define-tool.ts';

/** What the model of units is called. It costs nothing. */
export const unitModel = 'troupe/unit';

/** Whether a run is a background unit: it was started by a call, as a root, and not sent to a session. */
export const isUnit = ({
  origin,
  after,
}: {
  origin?: object | undefined;
  after?: string | null | undefined;
}): boolean => origin !== undefined && after === undefined;

/** The tool that made an agent, or does the work of a unit. */
export const toolIn = (made: RunRow['made']): string | undefined => (made && 'tool' in made ? made.tool : undefined);

/**
 * The unit that a call dispatches: the same whenever the call is executed again, another one where the call's run was forgotten and its
 * id is used again. What the first has left may not have been heard, and it has its id.
 *
 * @param began When the call's run began.
 */
export const unitIdOf = (tool: string, callKey: string, began: number): string => {
  const [word = 'unit'] = /^[a-z]{1,5}/.exec(tool.toLowerCase()) ?? [];
  return `${word}_${hashOf(`${callKey}@${began}`)}`;
};

const said = (messages: readonly Message[], by: Message['role']): string | undefined => {
  const found = messages.find(({ role }) => role === by);
  return found && textOfMessage(found);
};

/** Calls the tool with what the unit was given, and says what came of it. */
const recite = (tool: string): ModelProvider => ({
  async *takeTurn({ messages }): AsyncGenerator<ModelPart> {
    const result = said(messages, 'tool');
    if (result === undefined) yield { type: 'call', id: 'unit', name: tool, arguments: said(messages, 'user') ?? '' };
    // An answer that says nothing is none.
    else yield { type: 'text', delta: result || 'Done.' };
    yield { type: 'usage', usage: { ...noUsage, costUsd: 0 } };
    yield { type: 'finish', reason: result === undefined ? 'calls' : 'stop' };
  },
});

/** Who asked has been asked: what a person said to the call holds for its unit. */
const unattended = ({
  confirm: _c,
  askUser: _a,
  handoff: _h,
  before: _b,
  after: _f,
  offered: _o,
  ...tool
}: Tool): Tool => tool;

/** The providers that units stand for: what a unit starts is as if the run that dispatched it had. */
const behind = new WeakMap<AnyAgent, ModelProvider | undefined>();

/** The provider that an agent brings, for children that should have it, too; of a unit that of the agent that dispatched it. */
export const ownProviderOf = (agent: AnyAgent): ModelProvider | undefined =>
  behind.has(agent) ? behind.get(agent) : agent.provider;

/** The agent of a unit. @param others The tools of the run that dispatched it: nobody is offered them, the tool may hand them on. @param provider What its agent brings. */
export const unitAgent = (tool: Tool, others: Iterable<Tool>, provider?: ModelProvider): AnyAgent => {
  const agent = defineAgent({
    name: tool.name,
    instructions: '',
    model: unitModel,
    provider: recite(tool.name),
    tools: [unattended(tool), ...[...others].filter(({ name }) => name !== tool.name)],
    memoryScope: null,
    compaction: { onContextError: false },
  });
  behind.set(agent, provider);
  return agent;
};
