/** A lead that sends work into the background, and whoever does it. */
import { defineAgent, defineTool, dispatched, type RuntimeOptions, spawned, type ToolOptions } from '@troupe/core';
import type { Message, ModelRequest } from '@troupe/protocol';
import { type Script, scriptedProvider, type Turn } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime } from '../../../../test/support/open-runtime.ts';

const helper = defineAgent({ name: 'helper', instructions: 'You help.', memoryScope: null });

/** Sends a helper off with each of its jobs. */
const send = (options: Partial<ToolOptions> = {}, capacity?: number) =>
  defineTool({
    name: 'send',
    description: 'Sends helpers off.',
    inputSchema: z.object({ jobs: z.array(z.string()) }),
    execute: ({ jobs }, { view }) =>
      view.unit
        ? spawned(jobs.map((job) => ({ agent: helper, job })))
        : dispatched({
            data: { jobs },
            answer: ({ runId }) => ({ content: `Sent as ${runId}.` }),
            ...(capacity !== undefined && {
              capacity: { key: 'send', max: capacity, message: `Capacity reached: ${capacity} at work.` },
            }),
          }),
    settle: (reports) => ({
      data: reports.map(({ status, text, fault }) => ({ status, text: text ?? fault?.message ?? null })),
    }),
    ...(options as object),
  });

const leadWith = (tool = send(), options: Partial<Parameters<typeof defineAgent>[0]> = {}) =>
  defineAgent({ name: 'lead', instructions: 'You lead.', tools: [tool], ...options });
export const lead = leadWith();

const sends = (...jobs: string[]): Turn => ({ calls: [{ name: 'send', arguments: { jobs } }] });

/** The last thing that somebody said, or a tool gave. */
const lastOf = ({ messages }: Pick<ModelRequest, 'messages'>): string => String(messages.at(-1)?.content ?? '');
export const saidIn = (messages: readonly Message[]): string[] =>
  messages.map(
    ({ role, content, calls }) => `${role}: ${calls ? calls.map(({ name }) => name).join() : String(content)}`,
  );

/**
 * The lead sends what it is asked for (`send a, b`), `ask slowly` takes 100 ms, and it answers whatever else it hears with `noted`.
 * Helpers take 1,000 ms for each job, or do as it says: `fail`, `hang`, `quick`.
 */
const officeScript: Script = (request, { agent }): Turn => {
  const last = lastOf(request);
  if (agent === 'lead') {
    if (last.startsWith('send ')) return sends(...last.slice(5).split(', '));
    if (last.startsWith('slow')) return { text: `took time: ${last}`, delayMs: 500 };
    return `noted: ${last.replaceAll(/\s+/g, ' ').slice(0, 60)}`;
  }
  if (last.startsWith('fail')) return { fault: { code: 'model.down', message: 'The model is down.' } };
  if (last.startsWith('hang')) return { hang: true };
  return { text: `did ${last}`, delayMs: last.startsWith('quick') ? 1 : 1_000 };
};

export const openOffice = (options: Partial<RuntimeOptions> & { open?: boolean } = {}, script = officeScript) => {
  const clock = new SimulatedClock();
  const provider = scriptedProvider(script);
  return { clock, provider, ...openRuntime({ clock, provider, ...options }) };
};
