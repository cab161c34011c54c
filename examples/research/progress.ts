/** What the scouts of a research do, as lines. On a terminal there is one more below them: who is at work now, and with what. */
import { oneLine } from '@troupe/cli';
import { type ChildEvent, childLabel, childProgress, completionLine } from '@troupe/delegation';
import type { RunEvent } from '@troupe/protocol';
import type { Observable } from 'rxjs';

const clearLine = '\r\u001b[K';

/** A line for what is worth one, as it happens. */
const lineOf = (event: ChildEvent): string | undefined => {
  if (event.type === 'child.complete') return completionLine(event);
  if (event.type !== 'child.start') return undefined;
  const { taskIndex = 0, taskCount = 1, goal } = event;
  return `▸ [${taskIndex + 1}/${taskCount}] ${childLabel(goal)}`;
};

/** Shows it until the events end; `say` writes a line of somebody else in between. */
export const showProgress = (events$: Observable<RunEvent>, screen: NodeJS.WriteStream = process.stdout) => {
  const atWork = new Map<string, string>();
  const below = (): string => {
    if (!screen.isTTY || atWork.size === 0) return '';
    return `… ${[...atWork.values()].join(' · ')}`.slice(0, (screen.columns || 80) - 1);
  };
  const write = (text: string): void => void screen.write(screen.isTTY ? `${clearLine}${text}${below()}` : text);
  const say = (line: string): void => write(`${line}\n`);

  events$.pipe(childProgress()).subscribe((event) => {
    const { runId, type, goal } = event;
    if (type === 'child.start') atWork.set(runId, childLabel(goal));
    if (type === 'child.tool') atWork.set(runId, `${childLabel(goal)}: ${event.tool}`);
    if (type === 'child.complete') atWork.delete(runId);
    const line = lineOf(event);
    if (line !== undefined) say(oneLine(line));
    else if (type === 'child.tool') write('');
  });
  return { say };
};
