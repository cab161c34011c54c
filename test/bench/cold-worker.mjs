// A fresh process: loads an adapter, and lets it do its first delegation. Says on stdout what that took, in milliseconds since the
// process began.
import { pathToFileURL } from 'node:url';

const startedMs = performance.now();
const { trees } = await import('./script.mjs');
const { default: adapter } = await import(pathToFileURL(process.argv[2] ?? '').href);
const loadedMs = performance.now();
const handle = await adapter.build(trees.delegation().lead, {});
const text = await handle.run('start');
const doneMs = performance.now();
if (text !== 'done') throw new Error(`The first delegation gave "${text}", expected "done".`);
await handle.close();
console.log(JSON.stringify({ startMs: startedMs, loadMs: loadedMs - startedMs, runMs: doneMs - loadedMs, doneMs }));
