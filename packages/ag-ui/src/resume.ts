/** A request that answers: which run it means, whether it answers all that is asked, and the answers themselves. */
import type { ResumeEntry } from '@ag-ui/core';
import { type Answer, runOfQuestion } from '@troupe/protocol';
import { answerOf, meaningsOf } from './interrupts.ts';
import { Refusal } from './refusal.ts';
import type { ServedRun, ServedRuntime } from './runtime-port.ts';

/**
 * Gives the answers to the run that asked, and resolves with it once they are stored. The same request again changes nothing. Those to
 * questions that were answered before come first: where they were answered otherwise, nothing is given. Where one is refused that was
 * open, because somebody else was quicker, the others are given all the same.
 *
 * @throws Refusal 404 for interrupts of no run of the thread, 409 where some are not answered or were answered otherwise, 422 for
 *   what is no answer
 */
export const resume = async <A>(
  runtime: ServedRuntime<A>,
  sessionKey: string,
  given: readonly ResumeEntry[],
): Promise<ServedRun> => {
  const entries = oneForEach(given);
  const run = await askerOf(runtime, sessionKey, entries);
  const open = run.questions;
  const missing = open.filter(({ id }) => !entries.some(({ interruptId }) => interruptId === id));
  if (missing.length > 0) throw pending(missing);
  const answers = entries.map((entry) => {
    const { interruptId: id } = entry;
    const question = open.find((asked) => asked.id === id);
    return { id, isOpen: question !== undefined, meanings: question ? [answerOf(question, entry)] : meaningsOf(entry) };
  });
  await give(
    run,
    answers.filter(({ isOpen }) => !isOpen),
  );
  await give(
    run,
    answers.filter(({ isOpen }) => isOpen),
  );
  return run;
};

/** Two entries for one interrupt are one when they say the same; when they do not, nobody knows which is meant. */
const oneForEach = (entries: readonly ResumeEntry[]): ResumeEntry[] => {
  const known = new Map<string, ResumeEntry>();
  const saying = ({ status, payload }: ResumeEntry) => JSON.stringify([status, payload]);
  for (const entry of entries) {
    const { interruptId } = entry;
    const before = known.get(interruptId);
    if (before && saying(before) !== saying(entry))
      throw new Refusal(
        422,
        'resume.invalid',
        `Interrupt "${interruptId}" is answered twice, in two ways. Expected one answer to each interrupt.`,
      );
    known.set(interruptId, entry);
  }
  return [...known.values()];
};

/** What a thread waits for must be answered before it goes on. */
export const pending = (questions: readonly { id: string }[]): Refusal =>
  new Refusal(
    409,
    'resume.missing',
    `The thread waits for answers to ${questions.map(({ id }) => `"${id}"`).join(', ')}. Answer all of them in resume, or cancel them there.`,
  );

const askerOf = async <A>(
  runtime: ServedRuntime<A>,
  sessionKey: string,
  entries: readonly ResumeEntry[],
): Promise<ServedRun> => {
  const roots = new Set<string>();
  for (const { interruptId } of entries) {
    const asker = await runtime.runs.get(runOfQuestion(interruptId) ?? '');
    const root = asker && (await runtime.runs.get(asker.rootId));
    if (!root || root.sessionKey !== sessionKey)
      throw new Refusal(404, 'resume.unknown', `No run of this thread has asked "${interruptId}".`);
    roots.add(root.runId);
  }
  const [root = '', ...others] = roots;
  if (others.length > 0)
    throw new Refusal(
      422,
      'resume.invalid',
      `The interrupts are of several runs: ${[...roots].join(', ')}. Answer one run at a time.`,
    );
  return runtime.attach(root);
};

type Given = { id: string; isOpen: boolean; meanings: readonly Answer[] };

/** @throws Refusal 409 when some are refused; it names those that are given. */
const give = async (run: ServedRun, answers: readonly Given[]): Promise<void> => {
  const stored: string[] = [];
  const refused: { interruptId: string; reason: string }[] = [];
  for (const { id, isOpen, meanings } of answers) {
    const reason = await problemOf(run, id, meanings);
    if (reason !== undefined) refused.push({ interruptId: id, reason });
    else if (isOpen) stored.push(id);
  }
  if (refused.length > 0) throw rejected(refused, stored);
};

const rejected = (refused: { interruptId: string; reason: string }[], stored: string[]): Refusal => {
  const reasons = refused.map(({ interruptId, reason }) => `Interrupt "${interruptId}": ${reason}.`).join(' ');
  const rest =
    stored.length === 0
      ? ''
      : ` Given all the same, and stored: ${stored.map((id) => `"${id}"`).join(', ')}. Send those again without what was refused, or with another answer to it, to hear how the run goes on.`;
  return new Refusal(409, 'resume.rejected', `${reasons}${rest}`, { details: { refused, stored } });
};

/** Why an answer is refused. A question that was answered before takes the same answer again. */
const problemOf = async (run: ServedRun, id: string, meanings: readonly Answer[]): Promise<string | undefined> => {
  let reason = 'it is not open, and was not answered in this way';
  for (const answer of meanings) {
    const receipt = await run.answer(id, answer);
    if (receipt.status !== 'rejected') return undefined;
    ({ reason } = receipt);
  }
  return reason;
};
