/** What becomes of a call that asks a person, where nobody is to be asked. Pure. */
import type { Question } from '@troupe/protocol';

/**
 * Whether calls of a run wait for a person. `bubble`: they do, and the question is seen at the root. `deny`: they are answered as
 * declined. `allow`: what waits for approval runs, and what needs a person's own words is declined.
 */
export type Approval = 'bubble' | 'deny' | 'allow';

const strictness: readonly Approval[] = ['bubble', 'allow', 'deny'];

/** The policy of a run: what its agent says, or the run above, whichever is stricter. Nothing below loosens it. */
export const approvalBelow = (above: Approval = 'bubble', own: Approval = 'bubble'): Approval =>
  strictness.indexOf(own) > strictness.indexOf(above) ? own : above;

/** What a policy decides of a call that would ask. */
export const decisionOn = (approval: Exclude<Approval, 'bubble'>, kind: Question['kind']): 'allowed' | 'denied' =>
  approval === 'allow' && kind === 'confirmation' ? 'allowed' : 'denied';

const wants: Record<Question['kind'], string> = {
  confirmation: 'needs the approval of a person',
  input: 'asks a person for input',
  handoff: 'hands over to a person',
};

/** Why a call was declined without anybody being asked, for its model. */
export const whyDenied = (approval: Approval, tool: string, kind: Question['kind']): string => {
  const policy = approval === 'allow' ? '"allow": it approves calls, and cannot answer them' : `"${approval}"`;
  return `"${tool}" ${wants[kind]}, and nobody is asked in this run (approval policy ${policy}). It did not run. Go on without it, and say in your answer what is left undone.`;
};
