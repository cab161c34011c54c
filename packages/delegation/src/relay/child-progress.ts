import { isTerminal, type RunEvent } from '@troupe/protocol';
import { concatMap, defer, type Observable } from 'rxjs';
import type { ChildAbout, ChildEvent } from './child-event.ts';
import { completionOf, maxPaths, type TouchedFiles, whyNot } from './completion.ts';
import { type AnsweredCall, callPreview, openWatch, type Sighting, type WatchedChild } from './watched-child.ts';

/** Where the files of children are known from. */
export type ChildProgressOptions = {
  /** Paths that a run has read and written, asked when it has ended: what a registry of files answers. */
  files?: (runId: string) => TouchedFiles | undefined;
  /** Paths that one tool call has read and written, asked for each that succeeded; used where `files` knows nothing. */
  filesOf?: (call: AnsweredCall) => Partial<TouchedFiles> | undefined;
};

/** Tool names are told in batches of so many. */
const batchSize = 5;

/** What is kept of a child for the relay alone, while it lives. */
type Relayed = { called: string[]; read: Set<string>; written: Set<string> };

type Draft = ChildEvent extends infer E ? (E extends ChildEvent ? Omit<E, keyof ChildAbout> : never) : never;

const aboutOf = (child: WatchedChild, at: number): ChildAbout => {
  const { runId, rootId, parentId, depth, agent, goal, toolCount, model, tools, delegation } = child;
  return {
    runId,
    rootId,
    ...(parentId !== undefined && { parentId }),
    depth,
    agent,
    ...(delegation && { taskIndex: delegation.index, taskCount: delegation.count, role: delegation.role }),
    ...(delegation?.fallback !== undefined && { fallback: delegation.fallback }),
    goal,
    toolCount,
    ...(model !== undefined && { model }),
    ...(tools && { tools }),
    at,
  };
};

const progressOf = ({ delegation }: WatchedChild, called: string[]): Draft => {
  const prefix = delegation && delegation.count > 1 ? `[${delegation.index + 1}] ` : '';
  return { type: 'child.progress', called, text: `${prefix}${called.join(', ')}` };
};

const keepPaths = (kept: Set<string>, paths: readonly string[] = []): void => {
  for (const path of paths) if (kept.size < maxPaths) kept.add(path);
};

/** What is told of one event. */
const draftsOf = (
  event: RunEvent,
  { child, isNew, answered }: Sighting,
  relayed: Relayed,
  options: ChildProgressOptions,
): Draft[] => {
  const { turn, attempt } = child;
  const drafts: Draft[] = isNew ? [{ type: 'child.spawn_requested' }] : [];
  const attemptTo = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      drafts.push({ type: 'child.warning', code: 'relay.files', message: whyNot(error) });
    }
  };
  switch (event.type) {
    case 'run.started':
      drafts.push({ type: 'child.start' });
      break;
    case 'reasoning.streamed':
      drafts.push({ type: 'child.thinking', text: event.delta, turn, attempt });
      break;
    case 'text.streamed':
      drafts.push({ type: 'child.text', text: event.delta, turn, attempt });
      break;
    case 'warning.raised':
      drafts.push({ type: 'child.warning', code: event.code, message: event.message });
      break;
    case 'call.started': {
      const { callId, tool, arguments: args } = event;
      drafts.push({ type: 'child.tool', callId, tool, preview: callPreview(args), args });
      relayed.called.push(tool);
      if (relayed.called.length < batchSize) break;
      drafts.push(progressOf(child, relayed.called));
      relayed.called = [];
      break;
    }
    default:
      break;
  }
  if (answered?.status === 'ok' && options.filesOf)
    attemptTo(() => {
      const touched = options.filesOf?.(answered);
      keepPaths(relayed.read, touched?.read);
      keepPaths(relayed.written, touched?.written);
    });
  if (!isTerminal(event)) return drafts;
  if (relayed.called.length > 0) drafts.push(progressOf(child, relayed.called));
  let files: TouchedFiles = { read: [...relayed.read], written: [...relayed.written] };
  attemptTo(() => {
    files = options.files?.(child.runId) ?? files;
  });
  drafts.push({ type: 'child.complete', ...completionOf(child, event, files) });
  return drafts;
};

/**
 * What a UI shows of children, at any depth: `runtime.events$.pipe(childProgress())`. It takes the events of one tree or of many, live
 * or stored; from stored ones it tells the same, but for streamed text and reasoning. A child whose beginning was not among them is
 * left out. Nothing is counted while nobody subscribes, and what a subscriber throws reaches no run. The children of a background unit
 * are told like those of any run, and so is a root whose job says that it was delegated; a unit of `delegate_task` itself is not.
 */
export const childProgress =
  (options: ChildProgressOptions = {}) =>
  (events$: Observable<RunEvent>): Observable<ChildEvent> =>
    defer(() => {
      const watch = openWatch();
      const kept = new WeakMap<WatchedChild, Relayed>();
      return events$.pipe(
        concatMap((event) => {
          const sighting = watch.take(event);
          if (!sighting) return [];
          const { child } = sighting;
          const relayed = kept.get(child) ?? { called: [], read: new Set(), written: new Set() };
          kept.set(child, relayed);
          const drafts = draftsOf(event, sighting, relayed, options);
          const about = drafts.length > 0 && aboutOf(child, event.at);
          return drafts.map((draft): ChildEvent => ({ ...about, ...draft }) as ChildEvent);
        }),
      );
    });
