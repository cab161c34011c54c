// node test/tools/bundle.mjs, in the folder of a package: makes `bundle/index.js`, its sources as one module, as it is published.
// A module costs a fifth of a millisecond to load, whatever is in it, and the sources of core are over a hundred.
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const room = process.cwd();
const bundle = await rolldown({
  input: join(room, 'src', 'index.ts'),
  cwd: room,
  // What is ours comes along; everything else is a dependency, and is found when it runs.
  external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[A-Za-z]:/.test(id),
  platform: 'neutral',
});
await bundle.write({
  file: join(room, 'bundle', 'index.js'),
  format: 'esm',
  sourcemap: true,
  comments: { jsdoc: false },
});
await bundle.close();
