/**
 * Actors as their own program tells of them, in Stately's inspection messages: a desk that says to this page what a hub would say.
 * It keeps the last steps of every actor, so that whoever is looked at has a history.
 */
import type { ActorLine, Happening, Machine, Step, ToPage } from '../../../src/wire.ts';
import { activeStates, machineOfDefinition, stateText } from '../chart/machine-of-definition.ts';

type Data = { readonly [key: string]: unknown };
type Details = Extract<ToPage, { type: 'details' }>;

type Actor = {
  line: ActorLine;
  machine?: Machine;
  active: string[];
  steps: Step[];
  context: unknown;
  /** The event that led to the snapshot that comes next, as it was heard. */
  said: string[];
};

const MAX_STEPS = 200;
const MAX_HAPPENINGS = 2_000;

const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** A message of Stately's: told as an object, or as its JSON. */
export const readInspection = (data: unknown): Data | undefined => {
  const message = typeof data === 'string' ? parsed(data) : data;
  return isData(message) && typeof message.type === 'string' && message.type.startsWith('@xstate.')
    ? message
    : undefined;
};

export const newActorDesk = (name: string) => {
  const actors = new Map<string, Actor>();
  const machines = new Map<string, Machine>();
  const sent = new Set<string>();
  const changed = new Set<string>();
  let happenings: Happening[] = [];
  const recent: Happening[] = [];
  let told = 0;
  let watched: string | null = null;

  const rootOf = (id: string): string => {
    const seen = new Set<string>();
    for (let at = id; ; ) {
      const parent = actors.get(at)?.line.parentId;
      if (parent === undefined || seen.has(parent) || !actors.has(parent)) return at;
      seen.add(at);
      at = parent;
    }
  };

  const actorOf = (id: string, at: number): Actor => {
    const known = actors.get(id);
    if (known) return known;
    const line: ActorLine = {
      kind: 'actor',
      id,
      rootId: id,
      name: id,
      createdAt: at,
      lastAt: at,
      status: 'active',
      state: '',
      seq: 0,
    };
    const actor: Actor = { line, active: [], steps: [], context: undefined, said: [] };
    actors.set(id, actor);
    return actor;
  };

  const machineOf = (definition: string): Machine | undefined => {
    const known = machines.get(definition);
    if (known) return known;
    const config = parsed(definition);
    if (!isData(config) || !isData(config.states)) return undefined;
    const machine = machineOfDefinition(`m${machines.size + 1}`, config);
    machines.set(definition, machine);
    return machine;
  };

  const update = (actor: Actor, at: number, part: Partial<ActorLine>) => {
    actor.line = { ...actor.line, ...part, lastAt: at };
    changed.add(actor.line.id);
  };

  const settle = (actor: Actor, at: number, snapshot: unknown) => {
    if (!isData(snapshot)) return;
    const status = textOf(snapshot.status) ?? 'active';
    if (actor.machine && snapshot.value !== undefined) actor.active = activeStates(actor.machine, snapshot.value);
    actor.context = snapshot.context;
    const ended = status !== 'active' && actor.line.endedAt === undefined;
    update(actor, at, { status, state: stateText(snapshot.value), ...(ended && { endedAt: at }) });
  };

  const stepped = (actor: Actor, at: number, event: Data) => {
    const last = actor.steps.at(-1);
    // Only the last step keeps what it heard.
    if (last) delete last.data;
    actor.steps.push({
      n: (last?.n ?? -1) + 1,
      at,
      event: textOf(event.type) ?? '',
      data: event as Step['data'],
      edges: takenEdges(actor, last?.active ?? [], textOf(event.type) ?? ''),
      active: actor.active,
      said: [],
    });
    if (actor.steps.length > MAX_STEPS) actor.steps.shift();
  };

  const hear = (message: Data): void => {
    const at = Number(message.createdAt) || 0;
    const id = textOf(message.sessionId);
    if (id === undefined) return;
    const actor = actorOf(id, at);
    if (message.type === '@xstate.actor') {
      const definition = textOf(message.definition);
      const machine = definition === undefined ? undefined : machineOf(definition);
      if (machine) actor.machine = machine;
      const parentId = textOf(message.parentId);
      update(actor, at, { name: textOf(message.name) ?? id, ...(parentId !== undefined && { parentId }) });
      settle(actor, at, message.snapshot);
      if (actor.steps.length === 0) stepped(actor, at, { type: 'xstate.init' });
    } else if (message.type === '@xstate.snapshot') {
      settle(actor, at, message.snapshot);
      if (isData(message.event) && !isBeginning(message.event, actor)) stepped(actor, at, message.event);
    } else if (message.type === '@xstate.event' && isData(message.event)) {
      const event = textOf(message.event.type) ?? '';
      told += 1;
      update(actor, at, { event, seq: actor.line.seq + 1 });
      const happening = {
        id: `a${told}`,
        rowId: id,
        rootId: rootOf(id),
        rootSeq: 0,
        at,
        type: event,
        from: textOf(message.sourceId) ?? 'outside',
        to: id,
        text: '',
      };
      happenings.push(happening);
      recent.push(happening);
      if (recent.length > MAX_HAPPENINGS * 1.25) recent.splice(0, recent.length - MAX_HAPPENINGS);
    }
  };

  const lineOf = ({ line }: Actor): ActorLine => ({ ...line, rootId: rootOf(line.id) });

  const details = (): ToPage[] => {
    const actor = watched === null ? undefined : actors.get(watched);
    if (!actor || watched === null) return [];
    const { machine, active, steps, context } = actor;
    const messages: ToPage[] = [];
    if (machine && !sent.has(machine.id)) messages.push({ type: 'machine', machine });
    if (machine) sent.add(machine.id);
    const chart: Details['chart'] = {
      ...(machine ? { machineId: machine.id } : { problem: `${actor.line.name} is no state machine.` }),
      active,
      steps: [...steps],
      ...(context !== undefined && { context: context as NonNullable<Details['chart']['context']> }),
    };
    messages.push({ type: 'details', rowId: watched, rootSeq: null, chart, entries: [] });
    return messages;
  };

  return {
    hear,
    /** All there is, for a page that has just come. */
    hello: (now: number, version: number): ToPage => {
      changed.clear();
      happenings = [];
      return {
        type: 'hello',
        version,
        source: 'actors',
        name,
        inspectUrl: '',
        now,
        lines: [...actors.values()].map(lineOf),
        happenings: [...recent],
        questions: [],
        spawningPaused: null,
        older: false,
      };
    },
    /** What has changed since the last time, if anything has. */
    frame: (now: number): ToPage[] => {
      if (changed.size === 0 && happenings.length === 0) return [];
      const lines = [...changed].flatMap((id) => actors.get(id) ?? []).map(lineOf);
      const messages: ToPage[] = [{ type: 'frame', now, lines, gone: [], happenings, missed: 0 }];
      if (watched !== null && changed.has(watched)) messages.push(...details());
      changed.clear();
      happenings = [];
      return messages;
    },
    watch: (id: string | null): ToPage[] => {
      watched = id;
      return details();
    },
  };
};

/** How an actor began is told twice: with itself, and with its first snapshot. */
const isBeginning = (event: Data, { steps, active }: Actor): boolean => {
  const [first, ...more] = steps;
  if (event.type !== 'xstate.init' || !first || more.length > 0) return false;
  first.active = active;
  return true;
};

/** Edges that lead from where an actor was to where it is, by the event that it heard: what Stately's messages do not say. */
const takenEdges = ({ machine, active }: Actor, before: readonly string[], event: string): string[] => {
  if (!machine) return [];
  const entered = new Set(active.filter((id) => !before.includes(id)));
  if (entered.size === 0) return [];
  const own = machine.edges.filter(({ from, to }) => before.includes(from) && to.some((id) => entered.has(id)));
  const named = own.filter(({ label }) => answersTo(label, event));
  return (named.length > 0 ? named : own.length === 1 ? own : []).map(({ id }) => id);
};

const answersTo = (label: string, event: string): boolean => {
  const [kind, ...rest] = label.split(' ');
  const named = rest.join(' ');
  if (kind === 'after') return event.startsWith(`xstate.after.${named}.`);
  if (kind === 'done' && named) return event === `xstate.done.actor.${named}`;
  if (kind === 'error' && named) return event === `xstate.error.actor.${named}`;
  if (label === 'done') return event.startsWith('xstate.done.state.');
  return label === event || label === '*' || (label.endsWith('.*') && event.startsWith(label.slice(0, -1)));
};
