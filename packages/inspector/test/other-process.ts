/** A program of its own: it executes one run of the store that it is given, and ends with it. */
import { createRuntime } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { clerk } from './clerk.ts';

const store = sqliteStore(process.argv[2] ?? '');
const provider = scriptedProvider([{ calls: [{ name: 'erase', arguments: {} }] }, 'Done.']);
const runtime = createRuntime({ provider, model: 'test-model', store, agents: [clerk] });
// Nothing else keeps a program alive that waits for a person.
const alive = setInterval(() => {}, 1_000);
await runtime.start(clerk, 'go', { runId: 'there' }).ended;
clearInterval(alive);
await runtime.close();
await store.close();
