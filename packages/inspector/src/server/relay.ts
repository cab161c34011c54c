/** Programs that send Stately's inspection messages, and programs that want to hear them: each hears what all others say. */
import type { WebSocket } from 'ws';
import { StatelyMessage } from '../actors/stately-message.ts';

export type Relay = {
  /** A program has come: it is told of every actor that is there, and heard. */
  join(socket: WebSocket): void;
};

/** The last word on each actor: what somebody who comes later is told first. */
type Known = { actor: string; snapshot?: string };

/** A program with more unread bytes than this is told nothing more until it has read them. */
const maxBufferedBytes = 16_000_000;

type Hearer = {
  /** Called with each message, and a name for the program that it is from. */
  hear(program: string, message: StatelyMessage): void;
  /** Called when it has gone. */
  left(program: string): void;
};

export const openRelay = ({ hear, left }: Hearer): Relay => {
  const programs = new Map<WebSocket, Map<string, Known>>();
  let count = 0;

  const remember = (known: Map<string, Known>, message: StatelyMessage, text: string): void => {
    const { sessionId } = message;
    if (message.type === '@xstate.actor') known.set(sessionId, { actor: text });
    if (message.type !== '@xstate.snapshot') return;
    const before = known.get(sessionId);
    const isOver = message.snapshot?.status !== undefined && message.snapshot.status !== 'active';
    if (isOver) known.delete(sessionId);
    else if (before) known.set(sessionId, { ...before, snapshot: text });
  };

  return {
    join(socket) {
      const program = `program-${++count}`;
      const mine = new Map<string, Known>();
      for (const known of programs.values())
        for (const { actor, snapshot } of known.values()) {
          socket.send(actor);
          if (snapshot !== undefined) socket.send(snapshot);
        }
      programs.set(socket, mine);
      socket.on('message', (data) => {
        const text = String(data);
        const message = read(text);
        if (!message) return;
        remember(mine, message, text);
        hear(program, message);
        for (const other of programs.keys())
          if (other !== socket && other.bufferedAmount < maxBufferedBytes) other.send(text);
      });
      socket.on('close', () => {
        programs.delete(socket);
        left(program);
      });
    },
  };
};

/** `undefined` for what is none of Stately's messages: it is left alone. */
const read = (text: string): StatelyMessage | undefined => {
  try {
    return StatelyMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};
