import type { ToHub } from '../../../src/wire.ts';
import { WIRE_VERSION } from '../link/hub-link.ts';
import type { Answered, Link, LinkListener } from '../link/link.ts';
import { newActorDesk, readInspection } from './actor-desk.ts';

const FRAME_MS = 50;

/**
 * A link to the window that opened this page, or holds it in a frame: what `createBrowserInspector({ url })` and
 * `createInspectorServer({ url })` of @statelyai/inspect expect of a viewer. Only that window is listened to.
 *
 * @param onFirst Called when it sends its first message: until then it may be any window, and nothing is told.
 */
export const openWindowLink = (other: Window, listener: LinkListener, onFirst: () => void): Link => {
  const desk = newActorDesk('Actors');
  let timer: ReturnType<typeof setInterval> | undefined;
  const tell = (messages: ReturnType<typeof desk.frame>) => {
    for (const message of messages) listener.onMessage(message);
  };
  const begin = () => {
    onFirst();
    listener.onState('open');
    listener.onMessage(desk.hello(Date.now(), WIRE_VERSION));
    timer = setInterval(() => tell(desk.frame(Date.now())), FRAME_MS);
  };
  const onMessage = ({ source, data }: MessageEvent) => {
    if (source !== other) return;
    const message = readInspection(data);
    if (message) {
      desk.hear(message);
      if (timer === undefined) begin();
    } else if (timer !== undefined && data?.type === '@statelyai.disconnected') listener.onState('lost');
  };
  window.addEventListener('message', onMessage);
  // The origin of the other window is not known here, and nothing is told to it but that this one is ready.
  const greet = () => other.postMessage({ type: '@statelyai.connected' }, '*');
  greet();
  return {
    send: (message: ToHub) => {
      if (message.type === 'watch') tell(desk.watch(message.rowId));
    },
    ask: async (): Promise<Answered> => ({
      type: 'error',
      code: 'link.one_way',
      message: 'Programs that send Stately’s messages cannot be told anything.',
    }),
    retry: greet,
    close: () => {
      clearInterval(timer);
      window.removeEventListener('message', onMessage);
    },
  };
};
