// node --import ./loaded-modules.mjs PROGRAM: says at the end how many modules were loaded of each package, as a last line of JSON.
import { registerHooks } from 'node:module';

/** @type {Record<string, number>} */
const loaded = {};
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) {
      const [, name = 'program'] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
      loaded[name] = (loaded[name] ?? 0) + 1;
    }
    return next(url, context);
  },
});
process.on('exit', () => console.log(JSON.stringify(loaded)));
