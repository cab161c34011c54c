import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type AgentsApp, openTalk } from './agents-talk.ts';
import { harmless } from './text-width.ts';

/** Where the prompt reads and writes. */
export type AgentsPromptOptions = AgentsApp & {
  /** The session that is talked to. Default `terminal`; without an agent the program itself, which sees every sub-agent. */
  sessionKey?: string | undefined;
  /** Default `process.stdin` and `process.stdout`. A prompt is shown where both are terminals. */
  input?: Readable & { isTTY?: boolean };
  output?: Writable & { isTTY?: boolean };
  /** Default `process.env`: `NO_COLOR`, when it is not empty, and `TERM=dumb` switch colours off. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** Ends it, as Ctrl-C does. */
  signal?: AbortSignal;
};

const dim = (text: string): string => `\u001b[2m${text}\u001b[22m`;

/**
 * Talks with an agent and its sub-agents in a terminal: `/subagents …` gives commands, anything else goes to the agent. Answers,
 * questions and what becomes of sub-agents are told as they come.
 *
 * Ends with `/exit`, at the end of the input (Ctrl-D), with Ctrl-C, with its signal, and when the output is closed. Where the input is no terminal, its
 * end waits until what was asked for has ended, or waits for an answer. What is at work goes on: the runtime is yours to close. Never
 * rejects.
 */
export const agentsPrompt = async ({
  input = process.stdin,
  output = process.stdout,
  environment = process.env,
  signal,
  ...app
}: AgentsPromptOptions): Promise<void> => {
  const isTerminal = input.isTTY === true && output.isTTY === true;
  const hasColour = output.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb';
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const lines = createInterface({ input, output, terminal: isTerminal, prompt: isTerminal ? '> ' : '' });

  let isShown = true;
  const attempt = (print: () => void): void => {
    try {
      print();
    } catch {
      end();
    }
  };
  const redraw = (): void => {
    if (isTerminal && isShown) attempt(() => lines.prompt(true));
  };
  const write = (text: string): void => {
    // What is being typed moves below.
    attempt(() => output.write(isTerminal ? `\r\u001b[K${text}\n` : `${text}\n`));
    redraw();
  };
  const talk = openTalk({
    ...app,
    say: (text) => write(harmless(text)),
    note: (text) => write(hasColour ? dim(harmless(text)) : harmless(text)),
  });

  /** Whether more is heard. */
  let isOpen = true;
  let heard: Promise<void> = Promise.resolve();
  const stop = (): void => end();
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  output.on('error', stop);
  output.on('close', stop);
  lines.on('error', stop);
  lines.on('line', (line) => {
    if (/^\s*\/(?:exit|quit)\s*$/.test(line)) {
      isOpen = false;
      heard = heard.then(stop);
      return;
    }
    if (!isOpen) return;
    heard = heard.then(async () => {
      await talk.hear(line);
      redraw();
    });
  });
  lines.on('close', () => {
    isShown = false;
    if (isTerminal) stop();
    else void heard.then(() => talk.idle()).then(stop);
  });
  redraw();

  await ended;
  talk.close();
  lines.close();
  output.off('close', stop);
  signal?.removeEventListener('abort', stop);
  // What was written last may still fail, after this.
  setTimeout(() => output.off('error', stop), 1_000).unref();
};
