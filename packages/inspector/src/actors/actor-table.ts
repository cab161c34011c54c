/** Actors of programs that send Stately's inspection messages: their rows, their charts, and what happened. */
import { activeIn } from '../chart/chart-of.ts';
import { firstLine, shorten } from '../runs/text.ts';
import type { ActorLine, ChartEdge, Happening, Machine, Step } from '../wire.ts';
import { type Defined, openDefinitions } from './definitions.ts';
import type { StatelyMessage } from './stately-message.ts';

type ActorChart = { machine?: Machine; active: string[]; steps: Step[]; context?: unknown };

/** The rows that have changed, those that made room for others, and what happened. */
export type ActorNews = { changed: string[]; gone: string[]; happening?: Happening };

export type ActorTable = {
  /** Takes a message of a program. */
  take(program: string, message: StatelyMessage): ActorNews;
  /** A program has gone: of its actors nothing more is heard, and they have stopped for whoever looks. */
  leave(program: string, at: number): ActorNews;
  line(id: string): ActorLine | undefined;
  lines(): ActorLine[];
  chart(id: string): ActorChart | undefined;
};

type Kept = {
  line: ActorLine;
  defined?: Defined;
  active: string[];
  steps: Step[];
  taken: number;
  context?: unknown;
};

/** Steps that are kept of each actor; and actors that have ended, the oldest of which make room. */
const limits = { steps: 500, ended: 10_000 };

const leaf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(value)
    .map(([key, below]) => (leaf(below) === '' ? key : `${key}.${leaf(below)}`))
    .join(' | ');
};

/** The edges that lead from where a machine was to where it is, by the event that it heard: what it took, as far as can be told. */
const edgesBetween = (
  edges: readonly ChartEdge[],
  before: readonly string[],
  after: readonly string[],
  event: string,
) =>
  edges
    .filter(({ from, to, label }) => {
      const leads = to.length > 0 && to.every((id) => after.includes(id) && !before.includes(id));
      return leads && (before.includes(from) ? label === event || label === 'always' : label === 'always');
    })
    .map(({ id }) => id);

export const openActorTable = ({ ended: mostEnded = limits.ended }: { ended?: number } = {}): ActorTable => {
  const actors = new Map<string, Kept>();
  const ended = new Set<string>();
  const definitions = openDefinitions();
  let happened = 0;

  const activeOf = ({ defined, active }: Kept, value: unknown): string[] => {
    if (!defined || value === undefined) return active;
    try {
      return activeIn(defined.machine.resolveState({ value: value as never, context: {} }));
    } catch {
      return [];
    }
  };

  const settle = (kept: Kept, snapshot: { status?: unknown; value?: unknown; context?: unknown }, at: number): void => {
    const { line } = kept;
    if (typeof snapshot.status === 'string') line.status = snapshot.status;
    if (snapshot.value !== undefined) line.state = leaf(snapshot.value);
    if (snapshot.context !== undefined) kept.context = snapshot.context;
    kept.active = activeOf(kept, snapshot.value);
    line.lastAt = at;
    if (line.status === 'active' || line.endedAt !== undefined) return;
    line.endedAt = at;
    ended.add(line.id);
  };

  const addStep = (kept: Kept, event: string, before: readonly string[], at: number): void => {
    const edges = kept.defined ? edgesBetween(kept.defined.chart.edges, before, kept.active, event) : [];
    kept.steps.push({ n: kept.taken, at, event, edges, active: kept.active, said: [] });
    kept.taken += 1;
    if (kept.steps.length > limits.steps) kept.steps.shift();
  };

  const makeRoom = (): string[] => {
    const gone: string[] = [];
    for (const id of ended) {
      if (ended.size <= mostEnded) break;
      ended.delete(id);
      actors.delete(id);
      gone.push(id);
    }
    return gone;
  };

  const open = (id: string, program: string, about: { name?: string; parent?: string }, at: number): Kept => {
    const parentId = about.parent === undefined ? undefined : `${program}/${about.parent}`;
    const rootId = (parentId === undefined ? undefined : actors.get(parentId)?.line.rootId) ?? parentId ?? id;
    const line: ActorLine = {
      kind: 'actor',
      id,
      rootId,
      ...(parentId !== undefined && { parentId }),
      name: about.name ?? id,
      createdAt: at,
      lastAt: at,
      status: 'active',
      state: '',
      seq: 0,
    };
    const kept: Kept = { line, active: [], steps: [], taken: 0 };
    actors.set(id, kept);
    return kept;
  };

  return {
    take(program, message) {
      const id = `${program}/${message.sessionId}`;
      const at = Number(message.createdAt) || 0;
      if (message.type === '@xstate.actor') {
        const { name, parentId, definition, snapshot } = message;
        const kept = open(
          id,
          program,
          { ...(name !== undefined && { name }), ...(parentId != null && { parent: parentId }) },
          at,
        );
        const defined = definition == null ? undefined : definitions.of(definition);
        if (defined) kept.defined = defined;
        ended.delete(id);
        if (snapshot) settle(kept, snapshot, at);
        addStep(kept, 'xstate.init', [], at);
        return { changed: [id], gone: makeRoom() };
      }
      const kept = actors.get(id) ?? open(id, program, {}, at);
      const { line } = kept;
      if (message.type === '@xstate.event') {
        line.event = message.event.type;
        line.seq += 1;
        line.lastAt = at;
        happened += 1;
        const from = message.sourceId == null ? 'person' : `${program}/${message.sourceId}`;
        const { type, ...data } = message.event;
        const text = Object.keys(data).length === 0 ? '' : firstLine(shorten(data));
        const about = { id: `${id}:${happened}`, rowId: id, rootId: line.rootId, rootSeq: 0 };
        return { changed: [id], gone: [], happening: { ...about, at, type, from, to: id, text } };
      }
      const before = kept.active;
      settle(kept, message.snapshot ?? {}, at);
      addStep(kept, message.event?.type ?? line.event ?? '', before, at);
      return { changed: [id], gone: makeRoom() };
    },
    leave(program, at) {
      const left = [...actors.values()].filter(({ line }) => line.id.startsWith(`${program}/`) && !ended.has(line.id));
      for (const kept of left) settle(kept, { status: 'stopped' }, at);
      return { changed: left.map(({ line }) => line.id), gone: makeRoom() };
    },
    line: (id) => actors.get(id)?.line,
    lines: () => [...actors.values()].map(({ line }) => line),
    chart(id) {
      const kept = actors.get(id);
      if (!kept) return undefined;
      const { defined, active, steps, context } = kept;
      return {
        ...(defined && { machine: defined.chart }),
        active,
        steps: [...steps],
        ...(context !== undefined && { context: shorten(context) }),
      };
    },
  };
};
