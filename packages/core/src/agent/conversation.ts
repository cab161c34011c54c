/** What a conversation starts with, and how it is made shorter. Pure. */
import { type JobData, type Message, type Part, textOfMessage } from '@troupe/protocol';

const textOfInput = ({ input }: JobData): string => (typeof input === 'string' ? input : JSON.stringify(input));

const systemOf = (instructions: string, { expectedOutput, constraints = [] }: JobData): string =>
  [
    instructions,
    expectedOutput && `Expected output: ${expectedOutput}`,
    constraints.length > 0 && `Constraints:\n${constraints.map((constraint) => `- ${constraint}`).join('\n')}`,
  ]
    .filter(Boolean)
    .join('\n\n');

/**
 * The first messages of a run: the instructions, added to a leading system message of the job if it brings one, what was said
 * before, and the input with its attachments.
 */
export const openingOf = (instructions: string, job: JobData): Message[] => {
  const [first, ...others] = job.messages ?? [];
  const system = systemOf(instructions, job);
  const leading = first?.role === 'system' ? textOfMessage(first) : '';
  const before = first && first.role !== 'system' ? [first, ...others] : others;
  const text = textOfInput(job);
  const content: string | Part[] = job.attachments?.length
    ? [...(text ? [{ type: 'text' as const, text }] : []), ...job.attachments]
    : text;
  const opening = [leading, system].filter(Boolean).join('\n\n');
  return [...(opening ? [{ role: 'system' as const, content: opening }] : []), ...before, { role: 'user', content }];
};

/** Where a conversation begins, behind its leading system messages. */
export const bodyAt = (messages: readonly Message[]): number => {
  const at = messages.findIndex(({ role }) => role !== 'system');
  return at < 0 ? messages.length : at;
};

/** A conversation's opening behind what was said before it. Instructions and memories of before give way to its own. */
export const goingOn = (opening: readonly Message[], before: readonly Message[]): Message[] => [
  ...opening.slice(0, -1),
  ...before.slice(bodyAt(before)),
  ...opening.slice(-1),
];

/** Puts what is remembered behind the leading system messages, so that the instructions stay first. */
export const withMemory = (messages: readonly Message[], memory: string): Message[] =>
  messages.toSpliced(bodyAt(messages), 0, { role: 'system', content: `Memory:\n${memory}` });

/** Messages in groups that must stay together: a call and its results. */
const groupsOf = (messages: readonly Message[]): Message[][] => {
  const groups: Message[][] = [];
  for (const message of messages) {
    if (message.role === 'tool' && groups.length > 0) groups.at(-1)?.push(message);
    else groups.push([message]);
  }
  return groups;
};

/**
 * What to summarise and what to keep: leading system messages stay, so do the last four messages, more where a call would be
 * torn from its results. `null` when nothing can be left out.
 */
export const splitForSummary = (
  messages: readonly Message[],
  keep = 4,
): { head: Message[]; old: Message[]; kept: Message[] } | null => {
  const head = messages.slice(0, bodyAt(messages));
  const groups = groupsOf(messages.slice(head.length));
  const kept: Message[] = [];
  while (groups.length > 0 && kept.length < keep) kept.unshift(...(groups.pop() ?? []));
  const old = groups.flat();
  return old.length === 0 ? null : { head, old, kept };
};

export const summaryPrompt =
  'Summarise the conversation so far for yourself: the task, what was found and decided, what is left to do, every fact that is still needed. Be brief and exact. Answer with the summary only.';

/** The old part of a conversation as one text, for a model to summarise. */
export const transcriptOf = (messages: readonly Message[]): string =>
  messages
    .map((message) => {
      const calls = message.calls?.map(({ name, arguments: args }) => `[calls ${name} ${args}]`).join(' ') ?? '';
      return `${message.role}: ${[textOfMessage(message), calls].filter(Boolean).join(' ')}`;
    })
    .join('\n');

export const summaryMessage = (summary: string): Message => ({
  role: 'user',
  content: `Summary of the conversation so far:\n${summary}`,
});
