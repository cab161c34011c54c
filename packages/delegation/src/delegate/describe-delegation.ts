import type { RunView } from '@troupe/core';
import type { DelegatePolicy } from './delegate-options.ts';

/** True when calls of a run go into the background. In a unit they are its work. */
export const isBackground = (
  { background }: DelegatePolicy,
  { depth, unit }: Pick<RunView, 'depth' | 'unit'>,
): boolean => !unit && (background === 'auto' ? depth === 0 : background);

const nesting = ({ orchestrators, maxSpawnDepth }: DelegatePolicy, depth: number): string => {
  if (maxSpawnDepth < 2) return 'Nested delegation is OFF: children are leaves and cannot delegate.';
  if (!orchestrators) return 'Nested delegation is DISABLED by the program: children are leaves and cannot delegate.';
  const last = depth + 1 >= maxSpawnDepth;
  return `Nested delegation is ENABLED: you run at level ${depth} of ${maxSpawnDepth}; your children are at level ${depth + 1} ${last ? 'and must be leaves' : 'and may be orchestrators (role: "orchestrator")'}.`;
};

const contract = (policy: DelegatePolicy, view: RunView): string => {
  if (!isBackground(policy, view))
    return 'You wait until all children have ended, and get one entry for each in the order of the tasks.';
  const when =
    policy.completions === 'each'
      ? 'Whenever ONE child has ended, a message with its result comes to this conversation by itself, one for each child.'
      : 'When ALL children of the call have ended, ONE message with all results comes to this conversation by itself.';
  return `Runs in the BACKGROUND: you are answered at once with a delegation_id, which is no result. Go on with other work, or end your turn; never wait in a loop. ${when} It is stored, and comes once, after a restart of the program too. At most ${policy.maxAsyncChildren} delegations run in the background at once; one more is refused.`;
};

/** What the model is told of the tool, with the limits that hold for this run now. */
export const describeDelegation = (policy: DelegatePolicy, view: RunView): string =>
  [
    'Hands work to child agents. Each starts with an empty conversation, its own tools and its own budget, and gives back a summary; nothing else it did enters your context.',
    `Give 'goal' for one child, or 'tasks' for several side by side: up to ${policy.maxConcurrentChildren} in a call, and up to ${policy.maxConcurrentChildren} calls in one turn. More are refused, not queued.`,
    'Say everything that a child needs in goal and context.',
    contract(policy, view),
    nesting(policy, view.depth),
    `Children never get: ${[...policy.denyTools].join(', ') || 'anything is allowed'}.`,
    'Summaries are self-reports of what a child says it did: verify what matters, such as changed files, before you rely on it.',
    'An entry whose status is not "completed" is no success, whatever text it holds.',
    ...(policy.timeoutFallbacks?.length
      ? ['A task whose child ran out of time is tried again with another model: fallback_attempt in its entry says so.']
      : []),
    Object.keys(policy.models).length > 0
      ? `Models a task may name: ${Object.keys(policy.models).join(', ')}.`
      : 'The model of children cannot be chosen per call.',
  ].join('\n\n');
