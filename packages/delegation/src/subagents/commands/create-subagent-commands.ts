import type { SubagentManager } from '../subagent-manager.ts';
import type { Requester } from '../subagent-record.ts';
import { parseCommand } from './parse-command.ts';
import { type CommandOutcome, runCommand } from './run-command.ts';

/** Who sent a text, and how an answer finds back. */
export type CommandSender = Pick<Requester, 'sessionKey' | 'channel'> &
  Partial<Pick<Requester, 'metadata' | 'replyTo'>>;

/** A text that may be a command. `S`: what else is known of its sender, for `authorise`. */
export type CommandMessage<S extends CommandSender = CommandSender> = {
  /** As it was typed. A list is the words behind `/subagents`, as a shell has cut them. */
  text: string | readonly string[];
  sender: S;
};

/** How commands are answered. */
export type SubagentCommandOptions<S extends CommandSender = CommandSender> = {
  /** Who may give commands: those of others are ignored. Default: everybody. */
  authorise?(sender: S): boolean | Promise<boolean>;
  /** Whether there is an agent to speak of yet, as in a gateway that starts before it. Default: there is. */
  hasAgent?(): boolean;
};

/** Answers commands of people, whatever they come in by. Make it with `createSubagentCommands`. */
export type SubagentCommands<S extends CommandSender = CommandSender> = {
  /**
   * Does what a command says and gives the answer, plain text of a few lines; what is refused, or does not work, is said in it. `null`:
   * the text is no command, or its sender may give none. Rejects only with what `authorise` or `hasAgent` throws.
   */
  handle(message: CommandMessage<S>): Promise<string | null>;
  /**
   * The same, and whether it worked: for shells and other programs. `refused`: nothing came of it, or nothing was found; `misused`: it is
   * written in another way.
   */
  carryOut(message: CommandMessage<S>): Promise<CommandOutcome | null>;
};

/**
 * `/subagents …`, or `/agents …`, for any channel: `list`, `spawn`, `resume`, `cancel`, `steer`, `info`, `help`. A sender sees and changes
 * what its session asked for and everything below that; one with `sessionKey: null` is the program itself and sees all. What it spawns
 * belongs to its session, channel, metadata and reply target, all four as they are: what it leaves out is none, never the manager's own.
 *
 * @param manager `null`: there is none, and commands are answered with that.
 */
export const createSubagentCommands = <S extends CommandSender = CommandSender>(
  manager: SubagentManager | null,
  { authorise, hasAgent = () => true }: SubagentCommandOptions<S> = {},
): SubagentCommands<S> => {
  const carryOut: SubagentCommands<S>['carryOut'] = async ({ text, sender }) => {
    const command = parseCommand(text);
    if (!command || (authorise && !(await authorise(sender)))) return null;
    if (!hasAgent()) return { status: 'refused', text: 'Agent not available.' };
    if (!manager) return { status: 'refused', text: 'Sub-agent manager not available.' };
    const { sessionKey, channel, metadata = {}, replyTo = null } = sender;
    return runCommand(manager, command, { sessionKey, channel, metadata, replyTo });
  };
  return { carryOut, handle: async (message) => (await carryOut(message))?.text ?? null };
};
