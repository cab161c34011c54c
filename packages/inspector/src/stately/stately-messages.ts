/** XState's inspection events as Stately's inspection messages: JSON, of a bearable size, without secrets. */
import { type Clock, messageOf, redact } from '@troupe/protocol';
import type { AnyActorRef, InspectionEvent, Snapshot } from 'xstate';
import { shorten } from '../runs/text.ts';

/** The version of the messages: that of `@statelyai/inspect` which sends the same. */
const _version = '0.7.2';

/** What goes out of a context and an event. */
export type Sanitizers = {
  context(context: unknown): unknown;
  event(event: { type: string }): unknown;
};

export type StatelyMessages = {
  /** The message of an event; `undefined` for those that Stately has none for. */
  of(event: InspectionEvent): { sessionId: string; type: string; text: string } | undefined;
};

type Logic = { config?: unknown } | undefined;
type AnySnapshot = Snapshot<unknown> & { value?: unknown; context?: unknown; tags?: Set<string>; output?: unknown };

/** A function stands as its name: what a machine does is none of anybody's business, what it is called is. */
const named = (_key: string, value: unknown): unknown => (typeof value === 'function' ? { type: value.name } : value);

/** The JSON of anything; `undefined` for what is none, as a cycle. */
const jsonOf = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value, named);
  } catch {
    return undefined;
  }
};

export const openStatelyMessages = (clock: Clock, sanitize: Sanitizers): StatelyMessages => {
  /** Machines are many actors: each is written once. */
  const definitions = new WeakMap<object, string>();

  const definitionOf = ({ id, logic }: { id: string; logic?: Logic }): string => {
    const config = logic?.config;
    if (typeof config !== 'object' || config === null) return JSON.stringify({ id });
    // A context is made for each actor; the machine's own stands for none.
    const { context: _, ...rest } = config as Record<string, unknown>;
    const text = definitions.get(config) ?? redact(jsonOf(rest)) ?? JSON.stringify({ id });
    definitions.set(config, text);
    return text;
  };

  const snapshotOf = (snapshot: AnySnapshot | undefined): object => {
    if (!snapshot) return { status: 'active' };
    const { status, value, context, tags, output, error } = snapshot;
    return {
      status,
      ...(value !== undefined && { value }),
      ...(context !== undefined && { context: sanitize.context(context) }),
      ...(tags instanceof Set && { tags: [...tags] }),
      ...(output !== undefined && { output: shorten(output) }),
      ...(error !== undefined && { error: redact(messageOf(error)) }),
    };
  };

  const common = () => ({ _version, createdAt: String(clock.now()), id: null });

  const dataOf = (event: InspectionEvent): object | undefined => {
    const ref = event.actorRef as AnyActorRef & { logic?: Logic };
    const about = { ...common(), type: event.type, sessionId: ref.sessionId, rootId: event.rootId };
    switch (event.type) {
      case '@xstate.actor':
        return {
          ...about,
          name: ref.id,
          ...(ref._parent && { parentId: ref._parent.sessionId }),
          definition: definitionOf(ref),
          // It is told before it has one: the first snapshot comes as a message of its own.
          snapshot: { status: 'active' },
        };
      case '@xstate.event': {
        const source = event.sourceRef as AnyActorRef | undefined;
        return { ...about, event: sanitize.event(event.event), ...(source && { sourceId: source.sessionId }) };
      }
      case '@xstate.snapshot':
        return { ...about, event: sanitize.event(event.event), snapshot: snapshotOf(event.snapshot) };
      default:
        return undefined;
    }
  };

  return {
    of(event) {
      const data = dataOf(event);
      const text = data && jsonOf(data);
      if (text === undefined) return undefined;
      return { sessionId: (event.actorRef as AnyActorRef).sessionId, type: event.type, text };
    },
  };
};
