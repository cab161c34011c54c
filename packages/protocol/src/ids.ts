/**
 * Ids are plain text. A child's id says where it came from: `runId/turn-index/n` is the n-th run that the call
 * `turn-index` of run `runId` started, so a tree can be read from its ids alone.
 */

/** Names one run. Root ids are free (`run_…` by default); child ids are derived: `parent/turn-index/n`. */
export type RunId = string;

/** Names one tool call as the model named it. Models repeat themselves: unique only inside a turn, and not always there. */
export type CallId = string;

/** Names one question: `<runId>/<turn>-<index>?`, and a number where the call had to ask again. The run that waits can be read from it. */
export type QuestionId = string;

/** The key of one call of one run, unique for ever: what an idempotent tool sends along. */
export const callKeyOf = (runId: RunId, turn: number, index: number): string => `${runId}/${turn}-${index}`;

/** The id of the n-th child of a call, counted from 0. */
export const childIdOf = (callKey: string, n: number): RunId => `${callKey}/${n}`;

/** The call that a child was started by: the other way round. */
export const callKeyOfChild = (childId: RunId): string => childId.slice(0, childId.lastIndexOf('/'));

/** The id of the question that a call asks; `again` counts the times that it had to ask whether to run once more. */
export const questionIdOf = (callKey: string, again = 0): QuestionId => `${callKey}?${again || ''}`;

/** How often the call of a question had asked again by then. */
export const againOf = (questionId: QuestionId): number => Number(questionId.slice(questionId.lastIndexOf('?') + 1));

/** The run that asked, read from a question's id; `null` when the text is no question id. */
export const runOfQuestion = (questionId: QuestionId): RunId | null => {
  const key = /^([\s\S]*)\?\d*$/.exec(questionId)?.[1] ?? '';
  const cut = key.lastIndexOf('/');
  return cut > 0 ? key.slice(0, cut) : null;
};

/**
 * Every id that a run is within, its own first and the root's last: what `isWithin` says of two, without a look at others. Keys of the
 * calls between are among them; they name no run.
 */
export function* lineOf(runId: RunId): Generator<string> {
  yield runId;
  for (let end = runId.lastIndexOf('/'); end > 0; end = runId.lastIndexOf('/', end - 1)) yield runId.slice(0, end);
}

/** True when `runId` is `ancestorId` or one of its descendants. */
export const isWithin = (runId: RunId, ancestorId: RunId): boolean =>
  runId === ancestorId || (runId.startsWith(ancestorId) && runId[ancestorId.length] === '/');
