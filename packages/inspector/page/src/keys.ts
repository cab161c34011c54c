import { command, dialog, goToPresent, seen, selectedRun, TABS, tab } from './app.ts';
import { nextTheme } from './theme.ts';
import { stepBy } from './view/chart-view.tsx';
import { canOfSelected, forkPoint, holdSpawning } from './view/run-head.tsx';
import { moveBy } from './view/time-bar.tsx';

const focus = (selector: string): boolean => {
  const found = document.querySelector<HTMLElement>(selector);
  found?.focus();
  return found !== null;
};

const may = (what: keyof ReturnType<typeof canOfSelected>): boolean => {
  const can = canOfSelected()[what];
  return can !== undefined && can.status !== 'rejected';
};

const open = (type: 'steer' | 'interrupt' | 'raise'): void => {
  if (selectedRun() && may(type)) dialog.value = { type };
};

const holdOrGoOn = (): void => {
  const runId = selectedRun()?.id;
  if (runId === undefined) return;
  if (may('resume')) void command('Resume', { type: 'resume', runId });
  else if (may('pause')) void command('Pause', { type: 'pause', runId });
};

const holdOrLetSpawn = (): void => {
  const run = selectedRun();
  if (run && may(run.spawningPaused ? 'resumeSpawning' : 'pauseSpawning')) void holdSpawning(run);
};

const fork = (): void => {
  const run = selectedRun();
  if (run && seen().hello?.source !== 'actors' && may('fork')) dialog.value = { type: 'fork', at: forkPoint(run) };
};

const exportRun = (): void => {
  if (selectedRun() && seen().hello?.source !== 'actors') dialog.value = { type: 'export' };
};

const KEYS: Record<string, () => void> = {
  '/': () => focus('#filter'),
  a: () => focus('#answer') || focus('.answers button'),
  s: () => open('steer'),
  p: holdOrGoOn,
  i: () => open('interrupt'),
  b: () => open('raise'),
  n: holdOrLetSpawn,
  f: fork,
  e: exportRun,
  '[': () => stepBy(-1),
  ']': () => stepBy(1),
  ',': () => moveBy(-1),
  '.': () => moveBy(1),
  l: goToPresent,
  t: nextTheme,
  '?': () => {
    dialog.value = { type: 'help' };
  },
};

const isWriting = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('input:not([type=range]), textarea, select') !== null;

/** Keys that work wherever the focus is, but not while somebody writes, and not under a dialog. */
export const listenForKeys = (): void => {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === 'Escape' && isWriting(event.target)) {
      (event.target as HTMLElement).blur();
      return;
    }
    if (isWriting(event.target) || dialog.value !== null) return;
    const chosen = TABS[Number(event.key) - 1];
    const act = chosen ? () => (tab.value = chosen) : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
};
