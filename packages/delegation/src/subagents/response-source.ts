import type { Runtime } from '@troupe/core';
import { isTerminal, type RunEvent } from '@troupe/protocol';
import { concatMap, defer, from, map, type Observable, of } from 'rxjs';
import type { SubagentManager } from './subagent-manager.ts';

/** Where an answer, or an event on the way to it, comes from. `null`: it is no sub-agent, or one without a name. */
export type ResponseSource =
  | { type: 'agent'; isSubagent: false; subagentId: null; subagentName: null }
  | { type: 'subagent'; isSubagent: true; subagentId: string; subagentName: string | null };

/** The same for clients that read snake_case. */
export type WireSource = {
  type: ResponseSource['type'];
  is_subagent: boolean;
  subagent_id: string | null;
  subagent_name: string | null;
};

export const toWireSource = ({ type, isSubagent, subagentId, subagentName }: ResponseSource): WireSource => ({
  type,
  is_subagent: isSubagent,
  subagent_id: subagentId,
  subagent_name: subagentName,
});

const theAgent: ResponseSource = Object.freeze({
  type: 'agent',
  isSubagent: false,
  subagentId: null,
  subagentName: null,
});

const subagent = (subagentId: string, subagentName: string | null): ResponseSource => ({
  type: 'subagent',
  isSubagent: true,
  subagentId,
  subagentName,
});

/**
 * Whose conversation a session is, for answers that are given whole. Of a sub-agent that was forgotten its session still tells the id.
 * Ask after `manager.ready`: before, nothing that is stored is known.
 */
export const sourceOf = (
  manager: Pick<SubagentManager, 'agentOf'>,
  sessionKey: string | null | undefined,
): ResponseSource => {
  if (sessionKey == null) return theAgent;
  const record = manager.agentOf(sessionKey);
  if (record) return subagent(record.agentId, record.name ?? null);
  const [, forgotten] = /^subagent-(sub_[0-9a-z]+)$/.exec(sessionKey) ?? [];
  return forgotten === undefined ? theAgent : subagent(forgotten, null);
};

/** Trees whose source is remembered at once; of others it is looked up again. */
const mostRemembered = 1_000;

/**
 * Says of each event where it comes from: `runtime.events$.pipe(withSource(manager, runtime))`, or any other stream of events. Runs below
 * a sub-agent's own, at any depth, and its background work come from that sub-agent. Events come in their order; where the beginning of
 * a tree was not among them, the stored run is asked, and what follows waits for that. What cannot be found out comes from the agent.
 *
 * Remembers trees that have not ended, at most 1,000.
 */
export const withSource =
  (manager: Pick<SubagentManager, 'agentOf' | 'ready'>, { runs }: { runs: Pick<Runtime['runs'], 'get'> }) =>
  <E extends RunEvent>(events$: Observable<E>): Observable<E & { source: ResponseSource }> =>
    defer(() => {
      const known = new Map<string, ResponseSource>();
      let isReady = false;
      const whenRead = (): void => {
        isReady = true;
      };
      // Where it could not be read, the session still tells.
      const ready = manager.ready.then(whenRead, whenRead);
      const remember = (rootId: string, source: ResponseSource): ResponseSource => {
        const [oldest] = known.keys();
        if (known.size >= mostRemembered && oldest !== undefined) known.delete(oldest);
        known.set(rootId, source);
        return source;
      };
      const find = async (rootId: string): Promise<ResponseSource> => {
        try {
          const [row] = await Promise.all([runs.get(rootId), ready]);
          return remember(rootId, sourceOf(manager, row?.sessionKey));
        } catch {
          return theAgent;
        }
      };
      /** At once, where nothing has to be asked. */
      const sourceNow = (event: E): ResponseSource | undefined => {
        const { rootId } = event;
        const source = known.get(rootId);
        if (source || !isReady || event.type !== 'run.started' || event.runId !== rootId) return source;
        return remember(rootId, sourceOf(manager, event.sessionKey));
      };
      return events$.pipe(
        concatMap((event) => {
          const source = sourceNow(event);
          const found$ = source ? of(source) : from(find(event.rootId));
          return found$.pipe(
            map((source) => {
              if (isTerminal(event) && event.runId === event.rootId) known.delete(event.rootId);
              return { ...event, source };
            }),
          );
        }),
      );
    });
