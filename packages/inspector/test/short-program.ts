/** A program that is looked at, and has little to do. */
import { setTimeout as pause } from 'node:timers/promises';
import { createRuntime } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { inspect, inspectActors, statelyInspector } from '../src/index.ts';
import { clerk } from './clerk.ts';

const { inspectUrl } = await inspectActors();
const observer = statelyInspector({ url: inspectUrl });
const runtime = createRuntime({ provider: scriptedProvider(['Done.']), model: 'test-model', inspect: observer });
const { url } = await inspect(runtime, { keepAlive: process.argv[2] === 'keep' });
console.log(url);
await pause(600);
await runtime.start(clerk, 'go', { runId: 'short' }).ended;
