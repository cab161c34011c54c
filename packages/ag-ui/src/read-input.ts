import type { RunAgentInput } from '@ag-ui/core';
import { RunAgentInputSchema } from '@ag-ui/core/schemas';
import { Refusal } from './refusal.ts';

/** The body of a request, checked. @throws Refusal 405, 406, 413, 415, 400 for what is no JSON, 422 for what is no `RunAgentInput` */
export const readInput = async (request: Request, maxBytes: number): Promise<RunAgentInput> => {
  if (request.method !== 'POST')
    throw new Refusal(405, 'method.refused', `The method is ${request.method}. Expected POST.`, {
      headers: { allow: 'POST, OPTIONS' },
    });
  const type = request.headers.get('content-type') ?? 'none';
  if (!/^application\/json\b/i.test(type))
    throw new Refusal(415, 'type.refused', `The content type is ${type}. Expected application/json.`);
  const accept = request.headers.get('accept') ?? '*/*';
  if (!/text\/event-stream|text\/\*|\*\/\*/i.test(accept))
    throw new Refusal(406, 'accept.refused', `The client accepts ${accept}. The answer is text/event-stream.`);
  const parsed = RunAgentInputSchema.safeParse(jsonIn(await textOf(request, maxBytes)));
  if (!parsed.success)
    throw new Refusal(422, 'input.invalid', `The body is no RunAgentInput. ${issuesOf(parsed.error)}`);
  // Its schema and its type are generated from one source; only the type knows that what is absent is not undefined.
  return checked(parsed.data as RunAgentInput);
};

const textOf = async (request: Request, maxBytes: number): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > maxBytes)
      throw new Refusal(
        413,
        'body.too_large',
        `The body is larger than ${maxBytes} bytes, which is what the option maxBytes allows.`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, 'body.invalid', `The body is no JSON: ${(error as Error).message}.`);
  }
};

const issuesOf = ({ issues }: { issues: { path: PropertyKey[]; message: string }[] }): string =>
  issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'The whole'}: ${message}.`)
    .join(' ');

/** Ids become ids of sessions and runs: nothing that reads as the id of a child, and nothing without end. */
const checked = (input: RunAgentInput): RunAgentInput => {
  if (!/^[\w.:~-]{1,200}$/.test(input.runId))
    throw new Refusal(
      422,
      'input.invalid',
      `runId is ${JSON.stringify(input.runId.slice(0, 40))}. Expected up to 200 letters, digits and - _ . : ~ of its own.`,
    );
  if (input.threadId.trim() === '' || input.threadId.length > 200)
    throw new Refusal(422, 'input.invalid', 'threadId is blank or too long. Expected up to 200 characters.');
  return input;
};
