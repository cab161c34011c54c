import { type Answer, type JSONValue, type Question, toJSON } from '@troupe/protocol';

const yes = ['true', 'yes', 'y', 'approve', 'confirm', 'ok'];
const no = ['false', 'no', 'n', 'decline', 'deny', 'cancel', ''];

/** What an answer means for the call that asked. */
export type Decision =
  | { decision: 'go'; value: JSONValue }
  | { decision: 'declined'; reason?: string }
  | { decision: 'unclear'; expected: string };

/**
 * Reads an answer. A confirmation takes only words that are certain; anything else leaves the question open.
 * Input and hand-off take any value; `{ decline }` declines all three.
 */
export const readAnswer = (question: Pick<Question, 'kind'>, answer: Answer): Decision => {
  if (typeof answer === 'object' && 'decline' in answer) return { decision: 'declined', reason: answer.decline };
  const value = typeof answer === 'object' ? answer.value : answer;
  if (question.kind !== 'confirmation') return { decision: 'go', value: toJSON(value) };
  const word = value === null ? '' : String(value).trim().toLowerCase();
  if (yes.includes(word)) return { decision: 'go', value: true };
  if (no.includes(word)) return { decision: 'declined' };
  return {
    decision: 'unclear',
    expected: `one of ${yes.join(', ')} to approve, or one of ${no.filter(Boolean).join(', ')} to decline`,
  };
};
