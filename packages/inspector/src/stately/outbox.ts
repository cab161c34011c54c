/** Messages on their way to whoever listens: kept while nobody does, actors before everything else. */

export type Outbox = {
  add(message: { sessionId: string; type: string; text: string }): void;
  /** What somebody who has just come is to be told, oldest first: every actor that is there, where it is, and what waited. */
  greet(): string[];
  /** Nobody listens any more: what comes is kept. */
  hold(): void;
  /** True while nobody listens. */
  readonly isHeld: boolean;
};

type Known = { actor: string; snapshot?: string };

/** Events that are kept while nobody listens: the last ones. */
const mostEvents = 2_000;

const isOver = (text: string): boolean => /"snapshot":\{"status":"(done|error|stopped)"/.test(text);

export const openOutbox = (): Outbox => {
  const actors = new Map<string, Known>();
  const over = new Set<string>();
  let events: string[] = [];
  let isHeld = true;
  return {
    get isHeld() {
      return isHeld;
    },
    add({ sessionId, type, text }) {
      if (type === '@xstate.actor') actors.set(sessionId, { actor: text });
      if (type === '@xstate.snapshot') {
        const known = actors.get(sessionId);
        if (known) actors.set(sessionId, { ...known, snapshot: text });
        // Who has ended is told of once more to those who were not there, and then forgotten.
        if (isOver(text)) over.add(sessionId);
      }
      if (!isHeld) {
        for (const id of over) actors.delete(id);
        over.clear();
      } else if (type === '@xstate.event') {
        events.push(text);
        if (events.length > 2 * mostEvents) events = events.slice(-mostEvents);
      }
      for (const id of over) {
        if (over.size <= mostEvents) break;
        over.delete(id);
        actors.delete(id);
      }
    },
    greet() {
      isHeld = false;
      const there = [...actors.values()];
      const waited = events.slice(-mostEvents);
      events = [];
      for (const id of over) actors.delete(id);
      over.clear();
      return [...there.map(({ actor }) => actor), ...waited, ...there.flatMap(({ snapshot }) => snapshot ?? [])];
    },
    hold() {
      isHeld = true;
    },
  };
};
