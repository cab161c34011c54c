/** What is asked of the manager's chart: each question has one answer, once what it says is stored. */
import { FaultError, faultOf } from '@troupe/protocol';
import { type ActorRefFrom, waitFor } from 'xstate';
import type { ManagerEvent, managerMachine } from './manager-machine.ts';
import type { Answer } from './steps/step.ts';

/** A question, before it has its number. */
type Question = ManagerEvent extends infer E ? (E extends { requestId: number } ? Omit<E, 'requestId'> : never) : never;

export type AskManager = {
  /** Resolves once what is stored was read. @throws FaultError what kept it from that; `runtime.closed` */
  readonly opening: Promise<void>;
  /** At once, so that nothing changes between what a question was made of and its answer. @param signal Whoever aborts it waits no more. */
  put(question: Question, signal?: AbortSignal): Promise<unknown>;
  /** Once it is open. */
  ask(question: Question): Promise<unknown>;
  /** The same as `put` of something that makes sub-agents: where they could not be stored there are none. */
  made(agentIds: readonly string[], question: Question): Promise<unknown>;
  /** Nothing more is answered. */
  end(): void;
};

/**
 * Starts the chart.
 *
 * @param actor It is not started yet.
 * @param noted Resolves once what is known of sub-agents is stored.
 */
export const askManager = (
  id: string,
  actor: ActorRefFrom<typeof managerMachine>,
  noted: (agentIds: readonly string[]) => Promise<unknown>,
): AskManager => {
  let asked = 0;
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  const over = (): FaultError =>
    new FaultError('runtime.closed', `The runtime of the sub-agent manager "${id}" is closed.`);
  const settle = ({ requestId, ...answer }: Answer): void => {
    const who = waiting.get(requestId);
    waiting.delete(requestId);
    if ('value' in answer) who?.resolve(answer.value);
    else if ('error' in answer) who?.reject(answer.error);
    else {
      const { message, ...details } = answer.refusal;
      who?.reject(new FaultError('subagent.refused', message, { details }));
    }
  };
  actor.on('answered', ({ answer, noted: agentIds }) => {
    if (agentIds.length === 0) return settle(answer);
    // What is said to be so is stored.
    noted(agentIds).then(
      () => settle(answer),
      (error: unknown) =>
        settle({
          requestId: answer.requestId,
          error: new FaultError(
            'store.unavailable',
            `What was asked of the sub-agent manager "${id}" was not stored: ${faultOf(error, 'store.unavailable').message}`,
            { retryable: true, cause: error },
          ),
        }),
    );
  });
  actor.start();

  const opening = waitFor(actor, (now) => !now.matches('opening'), { timeout: Number.POSITIVE_INFINITY }).then(
    (now) => {
      if (now.matches('broken')) throw now.context.failure;
    },
    () => {
      throw over();
    },
  );
  opening.catch(() => {});

  const put: AskManager['put'] = (question, signal) => {
    const now = actor.getSnapshot();
    if (now.status !== 'active') return Promise.reject(over());
    if (!now.matches('open'))
      return Promise.reject(
        new FaultError('subagent.closed', `The sub-agent manager "${id}" is closed: it takes no more commands.`),
      );
    asked += 1;
    const requestId = asked;
    const leave = (): void => actor.send({ type: 'leave', requestId });
    signal?.addEventListener('abort', leave);
    return new Promise((resolve, reject) => {
      waiting.set(requestId, { resolve, reject });
      actor.send({ ...question, requestId });
    }).finally(() => signal?.removeEventListener('abort', leave));
  };

  return {
    opening,
    put,
    async ask(question) {
      await opening;
      return put(question);
    },
    made: (agentIds, question) =>
      put(question).catch((error: unknown) => {
        if (actor.getSnapshot().status === 'active') actor.send({ type: 'unmade', agentIds });
        throw error;
      }),
    end() {
      for (const [requestId] of waiting) settle({ requestId, error: over() });
    },
  };
};
