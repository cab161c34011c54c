import { isFaultError, messageOf } from '@troupe/protocol';
import type { SubagentManager } from '../subagent-manager.ts';
import type { Requester } from '../subagent-record.ts';
import {
  cancelledAllText,
  cancelledText,
  helpText,
  infoText,
  listText,
  notFoundText,
  resumedText,
  spawnedText,
  steeredText,
  usageText,
} from './command-text.ts';
import type { ChatCommand } from './parse-command.ts';

/** Why nothing came of it. */
const refusal = (what: string, error: unknown): string =>
  isFaultError(error) && (error.code === 'subagent.closed' || error.code === 'runtime.closed')
    ? 'Sub-agent manager not available.'
    : `${what}: ${messageOf(error)}`;

/** What is said when it does not work. */
const failures: Readonly<Record<ChatCommand['verb'], string>> = {
  list: 'Failed to list sub-agents',
  help: 'Failed',
  usage: 'Failed',
  invalid: 'Failed',
  spawn: 'Failed to spawn sub-agent',
  resume: 'Failed to resume agent',
  cancel: 'Failed to cancel',
  steer: 'Steer failed',
  info: 'Failed to look it up',
};

const answerOf = async (manager: SubagentManager, command: ChatCommand, requester: Requester): Promise<string> => {
  const scope = requester.sessionKey ?? undefined;
  switch (command.verb) {
    case 'list':
      return listText(await manager.status({ scope }));
    case 'help':
      return helpText;
    case 'usage':
      return usageText(command.of);
    case 'invalid':
      return command.problem;
    case 'spawn': {
      const { task, name, config } = command;
      return spawnedText(await manager.spawn({ task, name, config, scope, requester }));
    }
    case 'resume': {
      const { name, task } = command;
      return resumedText(await manager.resume({ name, task, scope, requester }), task);
    }
    case 'cancel': {
      const { agentId } = command;
      if (agentId === null) return cancelledAllText(await manager.cancelAll({ scope }));
      return cancelledText(agentId, await manager.cancel(agentId, { scope }));
    }
    case 'steer': {
      const { agentId, message } = command;
      return steeredText(agentId, await manager.steer({ agentId, message, scope }));
    }
    case 'info': {
      const info = await manager.info(command.agentId, { scope });
      return info === null ? notFoundText(command.agentId) : infoText(info);
    }
  }
};

/**
 * Does what a person asks for, on behalf of `requester` and within what its session sees, and says what came of it. Never rejects: what
 * is refused, or does not work, is said.
 */
export const runCommand = async (
  manager: SubagentManager,
  command: ChatCommand,
  requester: Requester,
): Promise<string> => {
  try {
    return await answerOf(manager, command, requester);
  } catch (error) {
    return refusal(failures[command.verb], error);
  }
};
