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

/** What a command came to: it was carried out, it was not, or it is written in another way. */
export type CommandOutcome = { status: 'done' | 'refused' | 'misused'; text: string };

const done = (text: string): CommandOutcome => ({ status: 'done', text });
const doneIf = (worked: boolean, text: string): CommandOutcome => ({ status: worked ? 'done' : 'refused', text });

const outcomeOf = async (
  manager: SubagentManager,
  command: ChatCommand,
  requester: Requester,
): Promise<CommandOutcome> => {
  const scope = requester.sessionKey ?? undefined;
  switch (command.verb) {
    case 'list':
      return done(listText(await manager.status({ scope })));
    case 'help':
      return done(helpText);
    case 'usage':
      return { status: 'misused', text: usageText(command.of) };
    case 'invalid':
      return { status: 'misused', text: command.problem };
    case 'spawn': {
      const { task, name, config } = command;
      return done(spawnedText(await manager.spawn({ task, name, config, scope, requester })));
    }
    case 'resume': {
      const { name, task } = command;
      return done(resumedText(await manager.resume({ name, task, scope, requester }), task));
    }
    case 'cancel': {
      const { agentId } = command;
      if (agentId === null) return done(cancelledAllText(await manager.cancelAll({ scope })));
      const outcome = await manager.cancel(agentId, { scope });
      return doneIf(outcome.cancelled, cancelledText(agentId, outcome));
    }
    case 'steer': {
      const { agentId, message } = command;
      const outcome = await manager.steer({ agentId, message, scope });
      return doneIf(outcome.status === 'accepted', steeredText(agentId, outcome));
    }
    case 'info': {
      const info = await manager.info(command.agentId, { scope });
      return info === null ? doneIf(false, notFoundText(command.agentId)) : done(infoText(info));
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
): Promise<CommandOutcome> => {
  try {
    return await outcomeOf(manager, command, requester);
  } catch (error) {
    return { status: 'refused', text: refusal(failures[command.verb], error) };
  }
};
