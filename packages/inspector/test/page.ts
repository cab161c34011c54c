/** A page as the hub sees it: a client of the real socket that keeps what it is told. */
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Command, Line, ToHub, ToPage } from '../src/index.ts';
import { ToPage as Told } from '../src/index.ts';

type Of<T extends ToPage['type']> = Extract<ToPage, { type: T }>;

/** Waits until something is there, or says what was there instead. */
export const until = async <T>(look: () => T | undefined | false, what: () => unknown = () => ''): Promise<T> => {
  for (let i = 0; i < 800; i++) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await pause(5);
  }
  throw new Error(`It did not come to that: ${String(look)}. ${JSON.stringify(what())?.slice(0, 2_000)}`);
};

const socketOf = (url: string): string => url.replace('http:', 'ws:').replace('/?', '/page?');

export const openPage = async (url: string, { origin }: { origin?: string } = {}) => {
  const socket = new WebSocket(socketOf(url), origin === undefined ? {} : { origin });
  onTestFinished(() => socket.terminate());
  const told: ToPage[] = [];
  const lines = new Map<string, Line>();
  let asked = 0;
  socket.on('message', (data) => {
    // Everything that is told is of the wire.
    const message = Told.parse(JSON.parse(String(data)));
    told.push(message);
    if (message.type === 'hello' || message.type === 'frame')
      for (const line of message.lines) lines.set(line.id, line);
    if (message.type === 'frame') for (const id of message.gone) lines.delete(id);
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const say = (message: ToHub): void => socket.send(JSON.stringify(message));
  const all = <T extends ToPage['type']>(type: T): Of<T>[] => told.filter((each): each is Of<T> => each.type === type);
  /** The first message of a type that fits, from now on or from before. */
  const find = <T extends ToPage['type']>(type: T, fits: (message: Of<T>) => unknown = () => true): Promise<Of<T>> =>
    until(
      () => all(type).find(fits),
      () => told.slice(-5),
    );
  const answer = async (type: 'can' | 'command', command: Command) => {
    const id = `q${++asked}`;
    say({ type, id, command });
    const { type: _, id: __, ...outcome } = await find('receipt', (each) => each.id === id);
    return outcome;
  };
  await find('hello');
  return {
    socket,
    told,
    lines,
    say,
    all,
    find,
    can: (command: Command) => answer('can', command),
    command: (command: Command) => answer('command', command),
    questions: () => {
      const with_ = [...all('hello'), ...all('frame')].filter(({ questions }) => questions !== undefined);
      return with_.at(-1)?.questions ?? [];
    },
    /** Looks at a row, and gives back what is told of it first. */
    async watch(rowId: string) {
      const before = all('details').length;
      say({ type: 'watch', rowId });
      return until(
        () =>
          all('details')
            .slice(before)
            .find((each) => each.rowId === rowId),
        () => told.slice(-3),
      );
    },
  };
};
