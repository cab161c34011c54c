/** What the types of agents promise about reports. */
import { type Agent, agentLogic, createRuntime, defineAgent, type Report } from '@troupe/core';
import type { JSONValue } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { expectTypeOf } from 'vitest';
import type { OutputFrom, SnapshotFrom } from 'xstate';
import { z } from 'zod';

const runtime = createRuntime({ provider: scriptedProvider([]), model: 'none' });
const schema = z.object({ title: z.string(), length: z.string().transform(Number) });
const typed = defineAgent({ name: 'typed', instructions: '', outputSchema: schema });
const free = defineAgent({ name: 'free', instructions: '' });

// An agent carries the type of what its schema makes of an answer, transforms included; without a schema it is any JSON.
expectTypeOf(typed).toEqualTypeOf<Agent<{ title: string; length: number }>>();
expectTypeOf(free).toEqualTypeOf<Agent<JSONValue>>();

// So do its runs and their reports, by every door.
type Typed = Report<{ title: string; length: number }>;
expectTypeOf(runtime.run(typed, 'go')).toEqualTypeOf<Promise<Typed>>();
expectTypeOf(runtime.start(typed, 'go').report).toEqualTypeOf<Promise<Typed>>();
expectTypeOf(runtime.start(typed, 'go').ended).toEqualTypeOf<Promise<Typed>>();
expectTypeOf<Typed['data']>().toEqualTypeOf<{ title: string; length: number } | undefined>();
expectTypeOf(runtime.run(free, 'go')).resolves.toHaveProperty('data').toEqualTypeOf<JSONValue | undefined>();

// And so does the agent as actor logic.
const logic = agentLogic(typed, runtime);
expectTypeOf<OutputFrom<typeof logic>>().toEqualTypeOf<Typed>();
expectTypeOf<SnapshotFrom<typeof logic>['runId']>().toEqualTypeOf<string | undefined>();

// A report that was read back knows its status, never that it has an answer.
expectTypeOf<Typed['text']>().toEqualTypeOf<string | null>();
expectTypeOf<Typed['status']>().toEqualTypeOf<'completed' | 'failed' | 'interrupted' | 'paused'>();

// @ts-expect-error a run's answer is not of another agent's type
const wrong: Promise<Report<{ other: boolean }>> = runtime.run(typed, 'go');
void wrong;
