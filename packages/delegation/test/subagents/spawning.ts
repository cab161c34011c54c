/** What the tests of `spawn` begin with: a lead that makes the calls it is asked for, sub-agents that do as their task says. */
import { type Message, textOfMessage } from '@troupe/protocol';
import type { Script, Turn } from '@troupe/testing';
import { createSpawnTool, type SpawnToolOptions } from '../../src/subagents/create-spawn-tool.ts';
import { createSubagentManager } from '../../src/subagents/create-subagent-manager.ts';
import type { SubagentManager } from '../../src/subagents/subagent-manager.ts';
import { calling, leadWith, open, requestsOf } from '../delegating.ts';

export type SpawnArguments = Record<string, unknown>;

/** A task: calls of `spawn` one after another, then an answer. `$last` is the id of the sub-agent that was spawned last. */
export const taskOf = (answer: string, ...calls: SpawnArguments[]): string => JSON.stringify({ calls, answer });

/** Answers whoever is asked: mail only interrupts. */
export const turnOf = (messages: readonly Message[]): Turn => {
  const at = messages.findLastIndex(
    (message) => message.role === 'user' && !textOfMessage(message).startsWith('[Sub-agent'),
  );
  const asked = textOfMessage(messages[at] ?? { content: '' });
  const answered = messages.slice(at).filter(({ role }) => role === 'tool').length;
  if (asked.startsWith('{')) {
    const [last = ''] = messages.flatMap((message) => idIn({ text: textOfMessage(message) }) || []).slice(-1);
    const { calls, answer } = JSON.parse(asked.replaceAll('$last', last)) as {
      calls: SpawnArguments[];
      answer: string;
    };
    const next = calls[answered];
    return next ? calling({ name: 'spawn', arguments: next }) : answer;
  }
  if (asked.startsWith('Hang')) return { text: 'By and by.', hang: true };
  if (asked.startsWith('Fail')) return { fault: { code: 'model.down', message: 'The model is down.' } };
  const slow = /^Take (\d+)/.exec(asked)?.[1];
  return slow === undefined ? `Did: ${asked}` : { text: `Took ${slow}.`, delayMs: Number(slow) };
};

type Opening = Omit<Parameters<typeof open>[1] & object, 'agents'> & {
  manager?: Parameters<typeof createSubagentManager>[1];
  tool?: SpawnToolOptions;
  script?: Script;
};

/** A lead with `spawn`, and the manager behind it. */
export const openSpawning = ({
  manager: options = {},
  tool: about,
  script = ({ messages }) => turnOf(messages),
  ...runtime
}: Opening = {}) => {
  let manager: SubagentManager | undefined;
  const tool = createSpawnTool(() => manager, about);
  const lead = leadWith(tool);
  const troupe = open(script, { agents: [lead], ...runtime });
  manager = createSubagentManager(troupe.runtime, { tools: [tool], ...options });
  const session = (sessionKey: string) => troupe.runtime.session(lead, { sessionKey });
  /** What the lead of a conversation is told of calls that it makes one after another. */
  const callAll = async (calls: SpawnArguments[], sessionKey = 'chat') => {
    const run = await session(sessionKey).send(taskOf('Done.', ...calls));
    return (await run.report).calls;
  };
  /** The same of one call. */
  const call = async (args: SpawnArguments, sessionKey = 'chat') => {
    const [made] = await callAll([args], sessionKey);
    return { text: made?.result ?? '', status: made?.status };
  };
  return { ...troupe, manager, tool, lead, session, call, callAll };
};
export type Spawning = ReturnType<typeof openSpawning>;

/** What was refused, as the model reads it. */
export const errorIn = ({ text }: { text: string }): string => (JSON.parse(text) as { error: string }).error;

/** Who was spawned, from what the call was told. */
export const idIn = ({ text }: { text: string }): string => /^ID: (sub_[0-9a-f]{10})$/m.exec(text)?.[1] ?? '';
export const runIn = ({ text }: { text: string }): string => /^Run ID: (\S+)$/m.exec(text)?.[1] ?? '';

/** What an agent was last asked, with everything that was said before. */
export const lastSeenBy = (troupe: Pick<Spawning, 'provider'>, agent: string): string[] =>
  (requestsOf(troupe, agent).at(-1)?.request.messages ?? []).map(textOfMessage);
