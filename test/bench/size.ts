// What users of core install, and what it comes to in a bundle.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import type { Project } from './packed.ts';

/** Minified. */
export type Bundle = { what: string; bytes: number; gzipBytes: number };
export type Size = {
  packages: string[];
  tarballBytes: number;
  /** JavaScript as it is installed: files, bytes, and all of it as one gzip. */
  own: Record<string, { files: number; bytes: number; gzipBytes: number }>;
  bundles: Bundle[];
};

const program = `import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { z } from 'zod';
const add = defineTool({ name: 'add', description: 'Adds.', inputSchema: z.object({ n: z.number() }), execute: ({ n }) => n + 1 });
const agent = defineAgent({ name: 'clerk', instructions: 'Be brief.', tools: [add] });
export const ask = (provider, text) => createRuntime({ provider, model: 'any' }).run(agent, text);`;

/** Imported as a whole, or by the module that defines a name. */
const rxjs = /^rxjs(\/|$)/;

const entries: { what: string; text: string; external?: (string | RegExp)[] }[] = [
  { what: 'core, every export, with all that it imports', text: `export * from '@troupe/core';` },
  { what: 'the same without zod', text: `export * from '@troupe/core';`, external: ['zod'] },
  {
    what: 'the same without zod, xstate and rxjs',
    text: `export * from '@troupe/core';`,
    external: ['zod', 'xstate', rxjs],
  },
  { what: 'a smallest program: one agent with one tool', text: program },
  { what: 'zod, by its entry', text: `export * from 'zod';` },
  {
    what: 'zod, of its entry what an object of strings needs',
    text: `import { z } from 'zod'; export default z.object({ a: z.string() });`,
  },
];

const bundleOf = async (folder: string, { what, text, external = [] }: (typeof entries)[number]): Promise<Bundle> => {
  const input = join(folder, 'entry.mjs');
  writeFileSync(input, text);
  const bundle = await rolldown({ input, external, platform: 'browser', logLevel: 'silent', treeshake: true });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  await bundle.close();
  const code = output.map((chunk) => ('code' in chunk ? chunk.code : '')).join('\n');
  return { what, bytes: Buffer.byteLength(code), gzipBytes: gzipSync(code, { level: 9 }).length };
};

const ownOf = (folder: string, name: string): Size['own'][string] => {
  const cwd = join(folder, 'node_modules', name);
  const files = globSync('bundle/**/*.js', { cwd }).sort();
  const code = Buffer.concat(files.map((file) => readFileSync(join(cwd, file))));
  return { files: files.length, bytes: code.length, gzipBytes: gzipSync(code, { level: 9 }).length };
};

export const measureSize = async ({ folder, packages, tarballBytes }: Project): Promise<Size> => {
  const bundles: Bundle[] = [];
  for (const entry of entries) bundles.push(await bundleOf(folder, entry));
  const own = Object.fromEntries(['@troupe/core', '@troupe/protocol'].map((name) => [name, ownOf(folder, name)]));
  return { packages, tarballBytes, own, bundles };
};
