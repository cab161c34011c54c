/** Starts other processes at the same file, and listens to what they say. */
import { fileURLToPath } from 'node:url';
import { type Child, startProgram } from '../../../test/support/children.ts';

const program = fileURLToPath(new URL('./child.ts', import.meta.url));

/** Starts `child.ts`. It is killed after the test. */
export const startChild = (
  path: string,
  mode: string,
  { durability = 'full', ...options }: { durability?: string; uid?: number } = {},
): Child => startProgram(program, [path, durability, mode], options);
