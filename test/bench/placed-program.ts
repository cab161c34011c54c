// What is measured of children that workers execute: a lead that starts as many as it is told, and children that answer or wait.
import { defineAgent, defineTool, spawned } from '@troupe/core';
import { pgBoss } from '@troupe/pg-boss';
import type { Placement } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';
import { bootOnPostgres } from '../support/on-postgres.ts';

const silent = { warn: () => {}, error: () => {} };
const child = defineAgent({ name: 'child', instructions: '' });
const start = defineTool({
  name: 'start',
  description: '',
  inputSchema: z.object({ children: z.number(), job: z.string() }),
  execute: ({ children, job }) => spawned(Array.from({ length: children }, () => ({ agent: child, job }))),
  settle: (reports) => ({ content: String(reports.filter(({ status }) => status === 'completed').length) }),
});
export const lead = defineAgent({ name: 'lead', instructions: '', tools: [start] });

const provider = scriptedProvider(({ messages }, { agent }) => {
  const last = messages.at(-1);
  if (agent === 'child') return last?.content === 'wait' ? { hang: true } : 'done';
  if (last?.role === 'tool') return String(last.content);
  return { calls: [{ name: 'start', arguments: JSON.parse(String(last?.content)) as object }] };
});

export const engineOf = (url: string, schema: string): Placement =>
  pgBoss({ url, schema: `${schema}_engine`, logger: silent });

export const bootPlaced = (url: string, schema: string) =>
  bootOnPostgres(
    { url, schema, pollMs: 50 },
    { provider, model: 'scripted', agents: [lead, child], leaseMs: 10_000, logger: silent },
  );
