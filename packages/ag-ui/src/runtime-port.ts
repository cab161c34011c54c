import type { Answer, JSONValue, Part, Question, Receipt, RunRow, RunStatus } from '@troupe/protocol';
import type { StreamedRun } from './sse.ts';

/** What is needed of a run: a handle of `@troupe/core` is one. */
export type ServedRun = StreamedRun & {
  readonly id: string;
  readonly status: RunStatus;
  readonly questions: readonly Question[];
  answer(questionId: string, answer: Answer): Promise<Receipt>;
};

/** What a front end asks for. */
export type ServedJob = { input: string; attachments?: Part[]; metadata: Record<string, JSONValue> };

/** What is needed of a runtime, with the agents that it takes: one of `@troupe/core` is one. */
export type ServedRuntime<A> = {
  session(
    agent: A,
    options: { sessionKey: string },
  ): { send(job: ServedJob, options: { runId: string }): Promise<ServedRun>; runs(): Promise<ServedRun[]> };
  attach(runId: string): Promise<ServedRun>;
  readonly runs: { get(runId: string): Promise<RunRow | undefined> };
};
