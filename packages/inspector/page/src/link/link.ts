import type { ToHub, ToPage } from '../../../src/wire.ts';

/** How a page stands with where its messages come from. `outdated`: the program speaks another version, and a reload helps. */
export type LinkState = 'connecting' | 'open' | 'lost' | 'outdated';

/** A message that is answered, before it has its id. */
export type Asked<T> = T extends { id: string } ? Omit<T, 'id'> : never;
export type Answered = Extract<ToPage, { type: 'receipt' | 'history' | 'exported' | 'older' | 'error' }>;

/** What a page is connected to: the hub, or a window that tells Stately's inspection messages. */
export type Link = {
  /** Says something that has no answer of its own. Lost while there is no connection: `hello` comes again then. */
  send(message: ToHub): void;
  /** Asks, and gives the one answer; an `error` when the connection is lost before it comes. */
  ask(message: Asked<ToHub>): Promise<Answered>;
  retry(): void;
  close(): void;
};

export type LinkListener = {
  /** In the order in which they were sent. */
  onMessage(message: ToPage): void;
  onState(state: LinkState): void;
};
