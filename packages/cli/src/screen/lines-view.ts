import { lineOf } from '../tree/line-of.ts';
import type { Screen, View } from './live-tree.ts';
import { openWriter } from './writer.ts';

/** One line for each notable event: where nothing can be redrawn. */
export const openLines = (screen: Screen): View => {
  const out = openWriter(screen);
  return {
    tell(event) {
      const line = lineOf(event);
      if (line !== null) out.write(`${line}\n`);
    },
    say: (line) => void out.write(`${line}\n`),
    async close() {
      out.close();
    },
  };
};
