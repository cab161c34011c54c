import type { Agent, AnyAgent, Run, Runtime, Session } from '@troupe/core';
import {
  type CommandOutcome,
  createSubagentCommands,
  lifecycleText,
  type SubagentEvent,
  type SubagentManager,
} from '@troupe/delegation';
import { isTerminal, messageOf, type Question, type RunEvent, type TerminalEvent } from '@troupe/protocol';

/** What a program keeps sub-agents with. */
export type AgentsApp = {
  manager: SubagentManager;
  /** The runtime of the manager. */
  runtime: Runtime;
  /** Who is talked to in plain text. Without one there are only commands. */
  agent?: AnyAgent | undefined;
};

/** Where a person is, and what they are told. */
export type TalkOptions = AgentsApp & {
  /** The session that is talked to. Default: `terminal` where there is an agent, else the program itself, which sees every sub-agent. */
  sessionKey?: string | undefined;
  /** Tells what was asked for: answers, questions, results. */
  say(text: string): void;
  /** Tells what happens meanwhile. */
  note(text: string): void;
};

/** One person and what they asked for. */
export type Talk = {
  /** Does what a line says, and resolves when that was begun, or refused. A list: the words of a command. Never rejects. */
  hear(line: string | readonly string[]): Promise<void>;
  /** Resolves when nothing that was asked for here is at work any more, or when it cannot go on without an answer. */
  idle(): Promise<void>;
  /** What came of all that was asked for so far; `waits`: it cannot go on without an answer. */
  outcome(): TalkOutcome;
  /** Tells nothing more. What is at work goes on. */
  close(): void;
};

/** How it went: the last thing that did not work counts. */
export type TalkOutcome = CommandOutcome['status'] | 'failed' | 'waits';

const answerText = (event: TerminalEvent): string => {
  switch (event.type) {
    case 'run.completed':
      return event.text ?? JSON.stringify(event.data);
    case 'run.failed':
      return `Failed: ${event.exitReason} – ${event.fault.message}`;
    case 'run.interrupted':
      return `Interrupted: ${event.reason}`;
  }
};

const questionText = ({ prompt, options }: Question): string =>
  `${prompt}${options.length === 0 ? '' : ` (${options.join(', ')})`}\nYour next line answers it.`;

/**
 * A person talks with an agent and gives `/subagents` commands. Answers come whenever a run of the session has ended, also of one that a
 * sub-agent's result has started; so do questions, of every run of the runtime: the next line of plain text answers the oldest.
 */
export const openTalk = ({ manager, runtime, agent, sessionKey, say, note }: TalkOptions): Talk => {
  const session: Session | undefined =
    agent && runtime.session(agent as Agent, { sessionKey: sessionKey ?? 'terminal' });
  const commands = createSubagentCommands(manager);
  const sender = { sessionKey: session?.key ?? sessionKey ?? null, channel: session ? 'terminal' : null };
  /** Runs of the session, questions, and sub-agents that were asked for here. */
  const own = new Set<string>();
  const questions = new Map<string, Question>();
  const sent = new Set<Run>();
  const working = new Set<string>();
  const waiting = new Set<() => void>();
  let outcome: TalkOutcome = 'done';

  const look = (): void => {
    if (questions.size === 0 && sent.size + working.size > 0) return;
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const ask = (question: Question): void => {
    if (questions.has(question.id)) return;
    questions.set(question.id, question);
    say(questionText(question));
  };

  /** Whether what a session asked for was asked for here, or below. */
  const isOurs = (key: string | null): boolean => {
    if (sender.sessionKey === null) return true;
    const seen = new Set<string>();
    for (let next = key; next !== null && !seen.has(next); next = manager.agentOf(next)?.requester.sessionKey ?? null) {
      if (next === sender.sessionKey) return true;
      seen.add(next);
    }
    return false;
  };
  const onSubagent = (event: SubagentEvent): void => {
    if (!isOurs(event.requester.sessionKey)) return;
    const text = lifecycleText(event);
    if (text !== null) note(text);
    if (event.type === 'spawning' || event.type === 'steered') working.add(event.agentId);
    if (text === null || event.type === 'spawning') return;
    if (working.delete(event.agentId) && event.type !== 'completed') outcome = 'failed';
    // Where there is an agent, it is told, and says what it makes of it.
    if (!session && event.result !== null) say(event.result);
    look();
  };
  const onRun = (event: RunEvent): void => {
    const { runId, rootId } = event;
    const isRoot = event.type === 'run.started' && runId === rootId && !event.origin;
    if (isRoot && session && event.sessionKey === session.key) own.add(runId);
    if (event.type === 'question.asked') ask(event.question);
    if (event.type === 'question.answered') questions.delete(event.questionId);
    if (isTerminal(event)) {
      for (const [id, question] of questions) if (question.runId === runId) questions.delete(id);
      if (own.delete(runId)) say(answerText(event));
    }
    look();
  };
  const subscriptions = [runtime.events$.subscribe(onRun), manager.events$.subscribe(onSubagent)];

  /** What was under way before. */
  const lookBack = async (): Promise<void> => {
    for (const run of (await session?.runs()) ?? []) own.add(run.id);
    for (const { rootId } of await runtime.runs.list({ status: 'paused' }))
      for (const question of (await runtime.attach(rootId)).questions) ask(question);
  };
  const ready = lookBack().catch((error: unknown) => say(`What was under way could not be read: ${messageOf(error)}`));

  const answer = async ({ id }: Question, text: string): Promise<void> => {
    const receipt = await runtime.answer(id, text);
    if (receipt.status === 'rejected') say(`Not answered: ${receipt.reason}`);
    else questions.delete(id);
  };
  const send = async (text: string): Promise<void> => {
    if (!session) return say('There is nobody to talk to here. Try /subagents help.');
    const run = await session.send(text);
    sent.add(run);
    const over = (): void => {
      sent.delete(run);
      look();
    };
    run.report.then(over, over);
  };

  return {
    async hear(line) {
      await ready;
      try {
        const reply = await commands.carryOut({ text: line, sender });
        if (reply !== null) {
          if (reply.status !== 'done') outcome = reply.status;
          return say(reply.text);
        }
        const text = String(line).trim();
        // Enter alone says nothing, and an answer cannot be taken back.
        if (text === '') return;
        const [question] = questions.values();
        await (question ? answer(question, text) : send(text));
      } catch (error) {
        outcome = 'failed';
        say(`It did not work: ${messageOf(error)}`);
      }
    },
    outcome: () => (questions.size > 0 ? 'waits' : outcome),
    idle: () =>
      new Promise((resolve) => {
        waiting.add(resolve);
        look();
      }),
    close() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
};
