// Ends the PostgreSQL of a test run with it, if a test has asked for one: the keeper would notice by itself, a moment later.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { sharedFolder } from './server.ts';

export const teardown = async (): Promise<void> => {
  const folder = sharedFolder(process.pid);
  const file = join(folder, 'where.json');
  if (!existsSync(file)) return;
  const { keeper } = JSON.parse(readFileSync(file, 'utf8')) as { keeper?: number };
  if (keeper === undefined) return;
  process.kill(keeper, 'SIGTERM');
  for (let tries = 0; tries < 500 && existsSync(folder); tries++) await setTimeout(10);
};
