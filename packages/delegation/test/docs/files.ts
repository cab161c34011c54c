import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createSubworkerTool, processFiles, trackFiles } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const folder = mkdtempSync(join(tmpdir(), 'notes-'));
const at = (path: string) => join(folder, path);
writeFileSync(at('plan.md'), 'Ship on Monday.');

const read = trackFiles(
  defineTool({
    name: 'read',
    description: 'Reads a file.',
    inputSchema: z.object({ path: z.string() }),
    execute: ({ path }) => readFileSync(at(path), 'utf8'),
  }),
  { reads: ({ path }) => at(path) },
);
const write = trackFiles(
  defineTool({
    name: 'write',
    description: 'Writes a file.',
    inputSchema: z.object({ path: z.string(), text: z.string() }),
    execute: ({ path, text }) => writeFileSync(at(path), text),
  }),
  { writes: ({ path }) => at(path) },
);
const lead = defineAgent({
  name: 'lead',
  instructions: 'Keep the plan.',
  tools: [read, write, createSubworkerTool({ availableTools: [read, write] })],
});

// A script stands in for the model: the lead reads the plan, a sub-worker writes it, and the lead writes it again.
const spawn = { name: 'editor', instructions: 'Edit.', task: 'Move the plan to Tuesday.', tools: ['read', 'write'] };
const calls = (name: string, input: object) => ({ calls: [{ name, arguments: input }] });
const provider = scriptedProvider({
  lead: [
    calls('read', { path: 'plan.md' }),
    calls('spawn_subworker', spawn),
    calls('write', { path: 'plan.md', text: 'Ship on Monday, early.' }),
    'Done.',
  ],
  editor: [
    calls('read', { path: 'plan.md' }),
    calls('write', { path: 'plan.md', text: 'Ship on Tuesday.' }),
    'It is Tuesday now.',
  ],
});

const runtime = createRuntime({ provider, model: 'scripted' });
const report = await runtime.run(lead, 'Keep the plan.');
console.log(report.calls[2]?.status, report.calls[2]?.result.replaceAll(at('/'), ''));
console.log(processFiles.writtenBy(report.runId).length);
await runtime.close();
rmSync(folder, { recursive: true });
