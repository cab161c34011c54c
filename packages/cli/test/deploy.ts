import { defineTool } from '@troupe/core';
import { z } from 'zod';

/** A tool that a person must approve. */
export const deploy = defineTool({
  name: 'deploy',
  description: 'Deploys.',
  inputSchema: z.object({}),
  confirm: true,
  prompt: 'May I deploy?',
  execute: () => 'deployed',
});
