import * as z from 'zod';
import { JSONValue } from './json.ts';
import { Message, Part } from './message.ts';

/** A request for a run, as stored: everything that is data. */
export const JobData = z.object({
  /** What is asked. Anything but text is told to the model as JSON. */
  input: JSONValue,
  /** How a good answer looks; told to the model after the instructions. */
  expectedOutput: z.string().optional(),
  /** Rules for this job; told to the model after the instructions. */
  constraints: z.array(z.string()).optional(),
  /** What was said before. A leading system message is kept and the instructions follow it. */
  messages: z.array(Message).optional(),
  /** Images and files that go with the input. */
  attachments: z.array(Part).optional(),
  /** Names of the tools to use instead of the agent's. */
  tools: z.array(z.string()).optional(),
  /** The schema of the answer, as JSON Schema, where the job brings one. */
  outputSchema: z.record(z.string(), JSONValue).optional(),
  metadata: z.record(z.string(), JSONValue).optional(),
});
export type JobData = z.infer<typeof JobData>;
