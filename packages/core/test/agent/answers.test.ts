import { readAnswer } from '@troupe/core';
import { describe, expect, test } from 'vitest';

const confirmation = { kind: 'confirmation' as const };

describe('an answer to a confirmation', () => {
  test.each([true, 'true', 'yes', 'Y', ' Approve ', 'CONFIRM', 'ok', { value: true }, { value: 'Yes' }])(
    'approves: %o',
    (answer) => {
      expect(readAnswer(confirmation, answer)).toEqual({ decision: 'go', value: true });
    },
  );

  test.each([false, 'false', 'no', 'N', ' Decline', 'DENY', 'cancel', '', '   ', { value: null }, { value: false }])(
    'declines: %o',
    (answer) => {
      expect(readAnswer(confirmation, answer)).toEqual({ decision: 'declined' });
    },
  );

  test.each(['yeah', 'sure', 'not yes', '1', { value: 1 }, { value: {} }])(
    'is not clear, and so decides nothing: %o',
    (answer) => {
      expect(readAnswer(confirmation, answer)).toMatchObject({
        decision: 'unclear',
        expected: expect.stringMatching(/yes, y, approve.*no, n, decline/),
      });
    },
  );
});

describe('an answer to any question', () => {
  test.each(['confirmation', 'input', 'handoff'] as const)('declines a %s with a reason', (kind) => {
    expect(readAnswer({ kind }, { decline: 'too dear' })).toEqual({ decision: 'declined', reason: 'too dear' });
  });

  test.each(['input', 'handoff'] as const)('is the value itself for %s, also where it looks like a no', (kind) => {
    expect(readAnswer({ kind }, 'no')).toEqual({ decision: 'go', value: 'no' });
    expect(readAnswer({ kind }, false)).toEqual({ decision: 'go', value: false });
    expect(readAnswer({ kind }, { value: { a: [1] } })).toEqual({ decision: 'go', value: { a: [1] } });
  });
});
