/** Whether what a tool hands over can be begun at all: children, one by one or as requests, and background work. */
import { FaultError } from '@troupe/protocol';
import { isAgent, sentence, whatIs } from './what-is.ts';

/** @throws FaultError `spawn.invalid` */
export const checkRequests = (requests: unknown): void => {
  if (!Array.isArray(requests))
    throw new FaultError(
      'spawn.invalid',
      `spawned() was given ${sentence(whatIs(requests))} Expected a list: spawned([{ agent, job }]).`,
    );
  for (const [index, request] of requests.entries()) {
    const agent: unknown = Object(request).agent;
    if (isAgent(agent)) continue;
    const named = typeof agent === 'string' ? `"${agent}"` : whatIs(agent);
    const found = agent === undefined ? `that is ${whatIs(request)}` : `whose agent is ${named}`;
    throw new FaultError(
      'spawn.invalid',
      `spawned() was given a request [${index}] ${sentence(found)} Expected { agent, job }, its agent made by defineAgent({ … }).`,
    );
  }
};

/** @throws FaultError `spawn.invalid` */
export const checkSpawn = (agent: unknown): void => {
  if (isAgent(agent)) return;
  const found = typeof agent === 'string' ? 'only the name of an agent, as text' : whatIs(agent);
  throw new FaultError(
    'spawn.invalid',
    `spawn() was given ${sentence(found)} Expected spawn(agent, job), its agent made by defineAgent({ … }).`,
  );
};

/** @throws FaultError `dispatch.invalid` */
export const checkDispatch = (dispatch: unknown): void => {
  const answer: unknown = Object(dispatch).answer;
  if (typeof answer === 'function') return;
  const found = typeof dispatch === 'object' && dispatch !== null ? `the answer ${whatIs(answer)}` : whatIs(dispatch);
  throw new FaultError(
    'dispatch.invalid',
    `dispatched() was given ${sentence(found)} Expected { data, answer }, where answer is a function that gives what the model is told at once: ({ runId }) => ({ content }).`,
  );
};
