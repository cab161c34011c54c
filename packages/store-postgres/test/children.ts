/** Starts other processes at the same database, and listens to what they say. */
import { fileURLToPath } from 'node:url';
import { type Child, startProgram } from '../../../test/support/children.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';

const program = fileURLToPath(new URL('./child.ts', import.meta.url));

/** Starts `child.ts`. It is killed after the test. */
export const startChild = async (schema: string, mode: string): Promise<Child> =>
  startProgram(program, [await sharedServer(), schema, mode]);
