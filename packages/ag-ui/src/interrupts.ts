/** Questions of runs as AG-UI interrupts, and what is sent back as answers. */
import type { Interrupt, ResumeEntry } from '@ag-ui/core';
import { type Answer, JSONValue, type Question, redact } from '@troupe/protocol';
import * as z from 'zod';
import { Refusal } from './refusal.ts';

/** The call that a question is about, as the stream named it: a question's id begins with it. */
export const callOfQuestion = (questionId: string): string => questionId.replace(/\?\d*$/, '');

const reasons = { confirmation: 'tool_call', input: 'input_required', handoff: 'troupe:handoff' } as const;

const abandoned = { decline: 'The user gave no answer.' };

/** Arguments are approved as they are: an answer that edits them is none. */
const Approval = z.strictObject({ approved: z.boolean(), reason: z.string().optional() });
const { $schema: _, ...approval } = z.toJSONSchema(Approval);

/** What a front end is asked. `subagentRunId` is there when a run below the streamed one asks. */
export const interruptOf = (question: Question, tag: { subagentRunId?: string }): Interrupt => {
  const { kind, tool, arguments: given, options, inputKey, askedAt } = question;
  const choice = options.length > 0 ? { type: 'string', enum: options } : { type: 'string' };
  return {
    id: question.id,
    reason: reasons[kind],
    message: question.prompt,
    toolCallId: callOfQuestion(question.id),
    responseSchema: kind === 'confirmation' ? approval : choice,
    metadata: {
      troupe: { kind, tool, arguments: given, options, askedAt, ...(inputKey !== undefined && { inputKey }) },
    },
    ...tag,
  };
};

/**
 * The answer that an entry of `resume` gives. For a confirmation: `{ approved, reason? }`, `true`, `false`, or one of its options;
 * for input and hand-off: any JSON. `cancelled` declines.
 *
 * @throws Refusal 422 when it is no answer to this question
 */
export const answerOf = (question: Pick<Question, 'id' | 'kind' | 'options'>, entry: ResumeEntry): Answer => {
  const { kind, options, id } = question;
  const answer = kind === 'confirmation' ? approvalOf(entry, options) : inputOf(entry);
  if (answer !== undefined) return answer;
  const found = entry.payload === undefined ? 'no payload' : redact(JSON.stringify(entry.payload)).slice(0, 200);
  const expected = kind === 'confirmation' ? '{ "approved": true } or { "approved": false }' : 'JSON';
  throw new Refusal(
    422,
    'resume.invalid',
    `Interrupt "${id}" is a ${kind} and was resolved with ${found}. Expected a payload of ${expected}.`,
  );
};

/** What an entry may have meant for a question that is not open any more. */
export const meaningsOf = (entry: ResumeEntry): Answer[] =>
  [approvalOf(entry, ['yes', 'no']), inputOf(entry)].filter((answer) => answer !== undefined);

const inputOf = ({ status, payload }: ResumeEntry): Answer | undefined => {
  if (status === 'cancelled') return abandoned;
  const { success, data } = JSONValue.safeParse(payload);
  if (!success) return undefined;
  return typeof data === 'string' ? data : { value: data };
};

const approvalOf = ({ status, payload }: ResumeEntry, options: readonly string[]): Answer | undefined => {
  if (status === 'cancelled') return abandoned;
  if (typeof payload === 'boolean') return payload;
  if (typeof payload === 'string') return options.includes(payload) ? payload : undefined;
  const { success, data } = Approval.safeParse(payload);
  if (!success) return undefined;
  return !data.approved && data.reason !== undefined ? { decline: data.reason } : data.approved;
};
