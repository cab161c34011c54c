// node test/crash/waits.ts FOLDER
//
// A program whose run asks a person, while somebody listens to its events. It closes nothing, and has nothing left to do.
import { join } from 'node:path';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const risky = defineTool({
  name: 'risky',
  description: 'Risky.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'did it',
});
const runtime = createRuntime({
  provider: scriptedProvider([{ calls: [{ name: 'risky', arguments: {} }] }]),
  model: 'm',
  store: sqliteStore(join(process.argv[2] ?? '', 'runs.db')),
});
const run = runtime.start(defineAgent({ name: 'clerk', instructions: '', tools: [risky] }), 'go');
run.events$.subscribe();
runtime.events().subscribe();
console.log((await run.report).status);
