import { messageOf, redact, toJSON } from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { MemoryInput } from '../agent/agent-machine.ts';
import type { RunFact } from '../agent/context.ts';
import { withMemory } from '../agent/conversation.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';

const recall = async (world: World, run: LiveRun, scope: string): Promise<RunFact> => {
  try {
    const value = await world.memory.read(scope, 'context');
    if (value === undefined) return { type: 'memory.recalled', found: false };
    run.transcript = withMemory(run.transcript, typeof value === 'string' ? value : JSON.stringify(value));
    return { type: 'memory.recalled', found: true };
  } catch (error) {
    return {
      type: 'memory.recalled',
      found: false,
      problem: `The memory "${scope}" could not be read: ${redact(messageOf(error))}. The run goes on without it.`,
    };
  }
};

const store = async (world: World, run: LiveRun, scope: string): Promise<RunFact> => {
  try {
    await run.writing;
    await world.memory.write(scope, 'last_output', run.context?.data ?? toJSON(run.context?.text));
    return { type: 'memory.stored' };
  } catch (error) {
    return {
      type: 'memory.stored',
      problem: `The memory "${scope}" could not be written: ${redact(messageOf(error))}. The answer stands.`,
    };
  }
};

/** Reads `context` before the first turn, writes `last_output` after the last. */
export const memoryActor = (world: World) =>
  fromCallback<AnyEventObject, MemoryInput>(({ input, sendBack }) => {
    const run = world.runs.get(input.runId);
    if (!run) throw new Error(`Run "${input.runId}" is not alive here.`);
    let stopped = false;
    void (input.store ? store : recall)(world, run, input.scope).then((fact) => {
      if (!stopped) sendBack(fact);
    });
    return () => {
      stopped = true;
    };
  });
