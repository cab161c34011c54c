import {
  type Budget,
  FaultError,
  JobData,
  type JSONValue,
  type Message,
  type Part,
  type Schema,
  toJSON,
} from '@troupe/protocol';
import { checkBudget } from './define-agent.ts';
import { jsonSchemaOf, type Tool } from './define-tool.ts';

/** A request for a run. Text alone is the input. */
export type Job =
  | string
  | {
      input: JSONValue;
      expectedOutput?: string;
      constraints?: readonly string[] | string;
      /** Used instead of the agent's. */
      outputSchema?: Schema;
      messages?: readonly Message[];
      attachments?: readonly Part[];
      /** Used instead of the agent's. Names are looked up among the agent's tools; of two with one name the last counts. */
      tools?: readonly (Tool | string)[];
      metadata?: Record<string, JSONValue>;
      /** Limits of this run, on top of the agent's and the runtime's. */
      budget?: Budget;
    };

/**
 * Refuses what asks for nothing: programs without types leave the input out, and the model would be told "null".
 *
 * @throws FaultError `job.invalid`
 */
export const checkInput = (job: unknown, whose: string): void => {
  if (typeof job === 'string') return;
  const { input } = Object(job) as { input?: unknown };
  const isData =
    typeof input === 'number' ? Number.isFinite(input) : !/^(undefined|function|symbol)$/.test(typeof input);
  if (isData) return;
  throw new FaultError(
    'job.invalid',
    `The job for ${whose} has ${input === undefined ? 'no input' : `an input that is no data, ${typeof input === 'number' ? input : `a ${typeof input}`}`}. Expected text, or { input } with text or JSON: "" where messages or attachments say it all.`,
  );
};

/** What of a job is data. @throws FaultError `job.invalid` */
export const jobDataOf = (job: Job, whose: string): JobData => {
  if (typeof job === 'string') return { input: job };
  checkInput(job, whose);
  const { outputSchema, budget, tools, constraints, input, ...rest } = job;
  checkBudget(budget, whose);
  const found = JobData.safeParse({
    ...rest,
    input: toJSON(input),
    ...(constraints !== undefined && { constraints: typeof constraints === 'string' ? [constraints] : constraints }),
    ...(outputSchema && {
      outputSchema: toJSON(jsonSchemaOf(outputSchema, `The outputSchema of the job for ${whose}`)),
    }),
    ...(tools && { tools: tools.map((tool) => (typeof tool === 'string' ? tool : tool.name)) }),
  });
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new FaultError(
    'job.invalid',
    `The job for ${whose} is wrong at "${issue?.path.join('.')}": ${issue?.message}.`,
  );
};
