import { defineAgent, defineTool } from '@troupe/core';
import { z } from 'zod';

export const erase = defineTool({
  name: 'erase',
  description: 'Erases',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'erased',
});
export const look = defineTool({
  name: 'look',
  description: 'Looks',
  inputSchema: z.object({}),
  execute: () => 'seen',
});

/** An agent that looks, and erases when it may. */
export const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Work.',
  tools: [look, erase],
  budget: { turns: 6, tokens: 1_000 },
});
