import type { ResumeEntry } from '@ag-ui/core';
import type { Answer, Question } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { answerOf, interruptOf, meaningsOf } from '../src/interrupts.ts';

const question = (kind: Question['kind'], options: string[] = [], more: Partial<Question> = {}): Question => ({
  id: 'r/1-0?2',
  runId: 'r',
  rootId: 'r',
  callId: 'c',
  kind,
  tool: 'ask',
  arguments: { a: 1 },
  prompt: 'What?',
  options,
  askedAt: 7,
  ...more,
});
const resolved = (payload?: unknown): ResumeEntry => ({ interruptId: 'r/1-0?2', status: 'resolved', payload });
const cancelled: ResumeEntry = { interruptId: 'r/1-0?2', status: 'cancelled' };

describe('a question is an interrupt', () => {
  test('about its call, which asked a second time', () => {
    expect(interruptOf(question('confirmation', ['yes', 'no']), {})).toEqual({
      id: 'r/1-0?2',
      reason: 'tool_call',
      message: 'What?',
      toolCallId: 'r/1-0',
      responseSchema: {
        type: 'object',
        properties: { approved: { type: 'boolean' }, reason: { type: 'string' } },
        required: ['approved'],
        additionalProperties: false,
      },
      metadata: {
        troupe: { kind: 'confirmation', tool: 'ask', arguments: { a: 1 }, options: ['yes', 'no'], askedAt: 7 },
      },
    });
  });

  test('that says what may be answered, if not any text', () => {
    const input = interruptOf(question('input', [], { inputKey: 'city' }), { subagentRunId: 'r/1-0/0' });
    expect(input).toMatchObject({
      reason: 'input_required',
      responseSchema: { type: 'string' },
      subagentRunId: 'r/1-0/0',
      metadata: { troupe: { inputKey: 'city' } },
    });
    expect(interruptOf(question('handoff', ['a', 'b']), {})).toMatchObject({
      reason: 'troupe:handoff',
      responseSchema: { type: 'string', enum: ['a', 'b'] },
    });
  });
});

describe('an answer', () => {
  const declined = { decline: 'The user gave no answer.' };

  test.each<[Question['kind'], ResumeEntry, Answer]>([
    ['confirmation', resolved({ approved: true }), true],
    ['confirmation', resolved({ approved: true, reason: 'fine' }), true],
    ['confirmation', resolved({ approved: false }), false],
    ['confirmation', resolved({ approved: false, reason: 'too late' }), { decline: 'too late' }],
    ['confirmation', resolved(false), false],
    ['confirmation', resolved('yes'), 'yes'],
    ['confirmation', cancelled, declined],
    ['input', resolved('Berlin'), 'Berlin'],
    ['input', resolved({ city: 'Berlin' }), { value: { city: 'Berlin' } }],
    ['handoff', resolved(null), { value: null }],
    ['handoff', cancelled, declined],
  ])('to a %s: %j is %j', (kind, entry, answer) => {
    expect(answerOf(question(kind, ['yes', 'no']), entry)).toEqual(answer);
  });

  test.each<[Question['kind'], unknown, string]>([
    ['confirmation', 'perhaps', 'resolved with "perhaps"'],
    ['confirmation', { approved: 'yes' }, 'resolved with {"approved":"yes"}'],
    ['confirmation', { approved: true, editedArgs: {} }, 'Expected a payload of { "approved": true } or'],
    ['input', undefined, 'resolved with no payload. Expected a payload of JSON.'],
  ])('to a %s is not %j', (kind, payload, message) => {
    expect(() => answerOf(question(kind, ['yes', 'no']), resolved(payload))).toThrow(message);
  });

  test('that is sent again means what it may have meant then', () => {
    expect(meaningsOf(resolved({ approved: true }))).toEqual([true, { value: { approved: true } }]);
    expect(meaningsOf(resolved('Berlin'))).toEqual(['Berlin']);
    expect(meaningsOf(resolved())).toEqual([]);
  });
});
