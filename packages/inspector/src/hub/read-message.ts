import { ToHub } from '../wire.ts';

type Problem = { code: string; message: string; id?: string };

/** What a page said, or what is wrong with it. */
export const readMessage = (text: string): ToHub | { problem: Problem } => {
  const code = 'message.invalid';
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return { problem: { code, message: 'A message was no JSON. Expected one of the wire protocol.' } };
  }
  const read = ToHub.safeParse(said);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const id = (said as { id?: unknown } | null)?.id;
  const message = `A message was not understood at "${issue?.path.join('.') ?? ''}": ${issue?.message}. Reload the page.`;
  return { problem: { code, message, ...(typeof id === 'string' && { id }) } };
};
