/** What is executed while everything around it breaks: a lead, and children that take many steps, one after another. */
import { setTimeout } from 'node:timers/promises';
import { defineAgent, defineTool, type RuntimeOptions, spawned } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';
import { bootOnPostgres } from '../support/on-postgres.ts';

const step = defineTool({
  name: 'step',
  description: 'Takes a step.',
  inputSchema: z.object({ n: z.number() }),
  idempotent: true,
  execute: ({ n }) => `step ${n}`,
});
const walker = defineAgent({
  name: 'walker',
  instructions: 'Walk.',
  tools: [step],
  budget: { turns: 1_000, toolCalls: 1_000 },
});
const send = defineTool({
  name: 'send',
  description: 'Sends walkers.',
  inputSchema: z.object({ walkers: z.number(), steps: z.number(), stepMs: z.number() }),
  execute: ({ walkers, ...job }) =>
    spawned(Array.from({ length: walkers }, () => ({ agent: walker, job: { input: job } }))),
  settle: (reports) => ({ content: reports.map(({ text, exitReason }) => text ?? exitReason).join(', ') }),
});
export const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [send] });

/** A walker says how many steps it took, and whether it was told something on its way. */
const provider = scriptedProvider(async ({ messages }, { agent }) => {
  const job = JSON.parse(String(messages.find(({ role }) => role === 'user')?.content)) as Record<string, number>;
  const steps = messages.filter(({ role }) => role === 'tool').length;
  if (agent === 'lead')
    return steps > 0 ? String(messages.at(-1)?.content) : { calls: [{ name: 'send', arguments: job }] };
  await setTimeout(job.stepMs ?? 0);
  if (steps < (job.steps ?? 0)) return { calls: [{ name: 'step', arguments: { n: steps + 1 } }] };
  const told = messages.filter(({ role, content }) => role === 'user' && content === 'Hurry.').length;
  return `${steps}+${told}`;
});

/** A process of the program. @param logger Is told what went wrong, and what is executed elsewhere by now. */
export const boot = (url: string, schema: string, { logger }: Pick<RuntimeOptions, 'logger'> = {}) =>
  bootOnPostgres(
    { url, schema },
    { provider, model: 'scripted', agents: [lead, walker], leaseMs: 10_000, ...(logger && { logger }) },
  );
