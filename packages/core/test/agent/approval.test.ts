import { describe, expect, test } from 'vitest';
import { approvalBelow, decisionOn, whyDenied } from '../../src/agent/approval.ts';

describe('the approval policy of a run', () => {
  test.each([
    [undefined, undefined, 'bubble'],
    [undefined, 'bubble', 'bubble'],
    [undefined, 'allow', 'allow'],
    [undefined, 'deny', 'deny'],
    ['bubble', 'allow', 'allow'],
    ['bubble', 'deny', 'deny'],
    ['allow', undefined, 'allow'],
    ['allow', 'bubble', 'allow'],
    ['allow', 'allow', 'allow'],
    ['allow', 'deny', 'deny'],
    ['deny', undefined, 'deny'],
    ['deny', 'bubble', 'deny'],
    ['deny', 'allow', 'deny'],
    ['deny', 'deny', 'deny'],
  ] as const)('HM-070: below %s, of an agent that says %s, is %s', (above, own, policy) => {
    expect(approvalBelow(above, own)).toBe(policy);
  });

  test.each([
    ['deny', 'confirmation', 'denied'],
    ['deny', 'input', 'denied'],
    ['deny', 'handoff', 'denied'],
    ['allow', 'confirmation', 'allowed'],
    ['allow', 'input', 'denied'],
    ['allow', 'handoff', 'denied'],
  ] as const)('HM-070: that is %s decides of a %s: %s', (approval, kind, decision) => {
    expect(decisionOn(approval, kind)).toBe(decision);
  });

  test.each([
    ['deny', 'confirmation', /^"erase" needs the approval of a person, and nobody is asked .*"deny"\)/],
    ['deny', 'input', /^"erase" asks a person for input, and nobody is asked/],
    ['allow', 'handoff', /^"erase" hands over to a person, .*"allow": it approves calls, and cannot answer them\)/],
  ] as const)('HM-070: that is %s says of a %s why it was declined, and what to do', (approval, kind, sentence) => {
    const why = whyDenied(approval, 'erase', kind);
    expect(why).toMatch(sentence);
    expect(why).toMatch(/did not run.*say in your answer what is left undone/);
  });
});
