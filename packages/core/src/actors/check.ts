import { type Schema, type SchemaIssue, textOfIssue, toJSON } from '@troupe/protocol';
import { asToolResult, isToolResult, type ToolResult } from '../agent/outcome.ts';
import type { Tool } from '../define-tool.ts';

/** Issues of a check as one sentence: where, what. */
const sentenceOf = (issues: readonly SchemaIssue[]): string => issues.map(textOfIssue).join('; ');

type Checked = { value: unknown } | { problem: string };
type Verdict = Awaited<ReturnType<Schema['~standard']['validate']>>;

const checkedOf = (verdict: Verdict): Checked =>
  verdict.issues ? { problem: sentenceOf(verdict.issues) } : { value: verdict.value };

/** Checks a value; to be waited for only when the schema is. */
export const check = (schema: Schema, value: unknown): Checked | Promise<Checked> => {
  const verdict = schema['~standard'].validate(value);
  return verdict instanceof Promise ? verdict.then(checkedOf) : checkedOf(verdict);
};

/** Whether all fields are still there: a schema that knows none of them takes anything. */
const keeps = (value: unknown, fields: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(fields as object).every((key) => Object.hasOwn(value, key));

/**
 * What a tool's `execute` gave, as the result of its call: as it is, or as the tool's `outputSchema` made it. An output that does not
 * fit is an error in the result. For tools that are made around other tools.
 */
export const resultOfTool = async (tool: Pick<Tool, 'name' | 'outputSchema'>, output: unknown): Promise<ToolResult> => {
  const result = asToolResult(output);
  if (!tool.outputSchema || result.error !== undefined) return result;
  const isResult = isToolResult(output);
  const verdict = await check(
    tool.outputSchema,
    isResult ? (result.data === undefined ? result.content : result.data) : output,
  );
  if ('value' in verdict) return isResult ? result : asToolResult(verdict.value);
  // An output may have such fields of its own, and be no result.
  const whole = isResult ? await check(tool.outputSchema, output) : verdict;
  if ('value' in whole && keeps(whole.value, output)) return { data: toJSON(whole.value) };
  return { error: `The output of "${tool.name}" does not fit its schema: ${verdict.problem}` };
};
