/** A network that can be troubled, between a store and its server. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export type Proxy = {
  readonly url: string;
  /** From now on nothing goes through, and nobody is told: connections stay open. */
  hang(): void;
  /** From now on what is asked arrives, and what is answered does not. */
  swallowAnswers(): void;
  /** From now on each way takes this long. */
  delay(ms: number): void;
  /** All is well again, for connections made from now on. */
  heal(): void;
  /** Ends every connection. */
  cut(): void;
  /** How many connections were made. */
  readonly connections: number;
};

type Mood = { request: boolean; answer: boolean; delayMs: number };

export const openProxy = async (port: number): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let mood: Mood = { request: true, answer: true, delayMs: 0 };
  let connections = 0;

  const forward = (from: Socket, to: Socket, way: 'request' | 'answer', its: () => Mood): void => {
    from.on('data', (chunk) => {
      const { [way]: passes, delayMs } = its();
      if (!passes) return;
      if (delayMs > 0) setTimeout(() => to.write(chunk), delayMs);
      else to.write(chunk);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      // Who is cut off is not told that the other side has left.
      if (its().request) to.destroy();
    });
  };
  const server = createServer((near) => {
    connections += 1;
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.setNoDelay(true));
    forward(near, far, 'request', () => mood);
    forward(far, near, 'answer', () => mood);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  const { port: own } = server.address() as { port: number };
  return {
    url: `postgres://postgres@127.0.0.1:${own}/postgres`,
    hang() {
      mood = { ...mood, request: false, answer: false };
    },
    swallowAnswers() {
      mood = { ...mood, answer: false };
    },
    delay(delayMs) {
      mood = { ...mood, delayMs };
    },
    heal() {
      mood = { request: true, answer: true, delayMs: 0 };
    },
    cut,
    get connections() {
      return connections;
    },
  };
};
