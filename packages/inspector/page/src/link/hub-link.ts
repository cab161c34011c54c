import { createActor, fromCallback } from 'xstate';
import type { ToHub, ToPage } from '../../../src/wire.ts';
import type { Answered, Asked, Link, LinkListener } from './link.ts';
import { type LinkEvent, linkMachine } from './link-machine.ts';

/** What the hub's `wireVersion` must be. Not imported: the schemas that it comes with stay out of the bundle. */
export const WIRE_VERSION: number = 3;

const lost = (id: string): Answered => ({
  type: 'error',
  id,
  code: 'link.lost',
  message: 'The connection was lost before the answer came.',
});

const answers = new Set<ToPage['type']>(['receipt', 'history', 'exported', 'older', 'error']);
const isAnswer = (message: ToPage): message is Answered => answers.has(message.type);

/** A link to the hub at `url`, that is made again whenever it breaks. */
export const openHubLink = (url: string, listener: LinkListener): Link => {
  const waiting = new Map<string, (answer: Answered) => void>();
  let socket: WebSocket | undefined;
  let asked = 0;

  const settle = (id: string | undefined, answer: Answered) => {
    if (id === undefined) return;
    waiting.get(id)?.(answer);
    waiting.delete(id);
  };
  const hear = (message: ToPage) => {
    listener.onMessage(message);
    if (isAnswer(message)) settle(message.id, message);
  };

  const connection = fromCallback<LinkEvent>(({ sendBack }) => {
    const own = new WebSocket(url);
    socket = own;
    own.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as ToPage;
      if (message.type === 'hello') sendBack({ type: 'greeted', version: message.version });
      hear(message);
    };
    own.onclose = ({ reason }) => sendBack({ type: 'closed', reason });
    return () => {
      own.onmessage = null;
      own.onclose = null;
      own.close();
      for (const id of [...waiting.keys()]) settle(id, lost(id));
    };
  });

  const actor = createActor(linkMachine.provide({ actors: { connection } }), { input: { version: WIRE_VERSION } });
  actor.subscribe((snapshot) => {
    if (snapshot.matches('outdated')) listener.onState('outdated');
    else if (snapshot.matches({ attached: 'open' })) listener.onState('open');
    else listener.onState(snapshot.context.lostAfterOpen || snapshot.matches('lost') ? 'lost' : 'connecting');
  });
  actor.start();

  const send = (message: ToHub): boolean => {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  };
  return {
    send,
    ask: (message: Asked<ToHub>) =>
      new Promise<Answered>((resolve) => {
        const id = `p${++asked}`;
        waiting.set(id, resolve);
        if (!send({ ...message, id })) settle(id, lost(id));
      }),
    retry: () => actor.send({ type: 'retry' }),
    close: () => actor.stop(),
  };
};
