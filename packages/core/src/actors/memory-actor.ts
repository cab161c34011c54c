import { messageOf, redact } from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { MemoryInput } from '../agent/agent-setup.ts';
import type { RunFact } from '../agent/context.ts';
import { withMemory } from '../agent/conversation.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';

const recall = async (world: World, _run: LiveRun, scope: string): Promise<RunFact> => {
  try {
    const value = await world.memory.read(scope, 'context');
    if (value === undefined) return { type: 'memory.recalled' };
    return { type: 'memory.recalled', text: typeof value === 'string' ? value : JSON.stringify(value) };
  } catch (error) {
    const problem = `The memory "${scope}" could not be read: ${redact(messageOf(error))}. The run goes on without it.`;
    return { type: 'memory.recalled', problem };
  }
};

const store = async (world: World, run: LiveRun, scope: string): Promise<RunFact> => {
  try {
    await run.writing;
    const { data, text = '' } = run.context ?? {};
    await world.memory.write(scope, 'last_output', redact(data === undefined ? text : data));
    return { type: 'memory.stored' };
  } catch (error) {
    const problem = `The memory "${scope}" could not be written: ${redact(messageOf(error))}. The answer stands.`;
    return { type: 'memory.stored', problem };
  }
};

/** Reads `context` before the first turn, writes `last_output` after the last. */
export const memoryActor = (world: World) =>
  fromCallback<AnyEventObject, MemoryInput>(({ input, sendBack }) => {
    const run = world.runs.get(input.runId);
    if (!run) throw new Error(`Run "${input.runId}" is not alive here.`);
    let stopped = false;
    const known = input.given && Promise.resolve(input.given);
    void (known ?? (input.store ? store : recall)(world, run, input.scope)).then((fact: RunFact) => {
      if (stopped) return;
      if (fact.type === 'memory.recalled' && fact.text !== undefined)
        run.transcript = withMemory(run.transcript, fact.text);
      sendBack(fact);
    });
    return () => {
      stopped = true;
    };
  });
