import { FaultError } from '@troupe/protocol';
import { CommanderError } from 'commander';
import { codeOf, lineFor, misuse } from './commands/problem.ts';
import { programFor } from './commands/program.ts';
import { exitCode } from './exit-code.ts';
import type { Terminal } from './terminal.ts';
import { harmless } from './text-width.ts';

/**
 * The command `troupe`. Gives the exit code, see {@link exitCode}; what went wrong is a sentence on `errors`, and JSON with `--json`.
 * Never rejects.
 */
export const troupeCommand = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  const { output, errors } = terminal;
  let lost: Error | undefined;
  // Whoever reads may leave: what was begun is carried out all the same. What cannot be written is lost, a full disk say.
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (!hasLeft.test(error.code ?? '')) lost ??= error;
  });
  errors.on('error', () => {});
  const isJSON = args.includes('--json');
  const code = await carryOut(args, terminal, isJSON);
  // What was written last may fail behind this.
  await new Promise((resolve) => setImmediate(resolve));
  if (!lost) return code;
  const problem = new FaultError(
    'cli.unwritten',
    `What was to be told could not be written, and is lost: ${lost.message}. What was begun was carried out.`,
  );
  errors.write(`${lineFor(problem, isJSON)}\n`);
  return code === exitCode.done ? exitCode.failed : code;
};

/** How a stream says that nobody reads it any more. */
const hasLeft = /^(?:EPIPE|ECONNRESET|ERR_STREAM_DESTROYED|ERR_STREAM_WRITE_AFTER_END)$/;

const carryOut = async (args: readonly string[], terminal: Terminal, isJSON: boolean): Promise<number> => {
  const { output, errors } = terminal;
  let code: number = exitCode.done;
  const program = programFor(terminal, (ended) => {
    code = ended;
  });
  forEach(program, (command) =>
    command.exitOverride().configureOutput({
      writeOut: (text) => void output.write(text),
      writeErr: (text) => void errors.write(text),
      outputError: (text, write) => {
        if (!isJSON) write(harmless(text.replace(/^error: /, 'troupe: ')));
      },
    }),
  );
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return exitCode.usage;
  }
  // What waits for a person, or for another process, keeps no process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCode.done;
      const problem = misuse(error.message.replace(/^error: /, ''));
      errors.write(isJSON ? `${lineFor(problem, true)}\n` : 'Try: troupe help\n');
      return exitCode.usage;
    }
    errors.write(`${lineFor(error, isJSON)}\n`);
    return codeOf(error);
  } finally {
    clearInterval(alive);
  }
};

type Program = ReturnType<typeof programFor>;
const forEach = (command: Program, change: (command: Program) => void): void => {
  change(command);
  for (const below of command.commands) forEach(below, change);
};
