import type { Schema, SchemaIssue } from '@troupe/protocol';

const pathOf = ({ path }: SchemaIssue): string =>
  path?.map((step) => String(typeof step === 'object' ? step.key : step)).join('.') ?? '';

/** Issues of a check as one sentence: where, what. */
const sentenceOf = (issues: readonly SchemaIssue[]): string =>
  issues.map((issue) => [pathOf(issue), issue.message].filter(Boolean).join(': ')).join('; ');

/** Checks a value; waits only when the schema does. */
export const check = async (schema: Schema, value: unknown): Promise<{ value: unknown } | { problem: string }> => {
  const answer = schema['~standard'].validate(value);
  const result = answer instanceof Promise ? await answer : answer;
  return result.issues ? { problem: sentenceOf(result.issues) } : { value: result.value };
};
