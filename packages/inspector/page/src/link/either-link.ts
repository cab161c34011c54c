import { openWindowLink } from '../stately/window-link.ts';
import { openHubLink } from './hub-link.ts';
import type { Link, LinkListener } from './link.ts';

/**
 * The link of a page that another window opened, or holds in a frame. That may be a person's doing, and the page shows its hub; or
 * @statelyai/inspect's, which was given this page as its `url`: with the first message that it sends, the page shows what it tells.
 */
export const openEitherLink = (url: string, other: Window, listener: LinkListener): Link => {
  let isTold = false;
  const hub = openHubLink(url, {
    onMessage: (message) => isTold || listener.onMessage(message),
    onState: (state) => isTold || listener.onState(state),
  });
  const told = openWindowLink(other, listener, () => {
    isTold = true;
    hub.close();
  });
  const current = () => (isTold ? told : hub);
  return {
    send: (message) => current().send(message),
    ask: (message) => current().ask(message),
    retry: () => current().retry(),
    close: () => {
      hub.close();
      told.close();
    },
  };
};
