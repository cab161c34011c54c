import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sharedServer } from '../tools/postgres/server.ts';

/** Runs the program of a README twice, as it stands, at one database, and says what each life said. */
export const readmeProgram = async (readme: URL): Promise<{ stdout: string; stderr: string }[]> => {
  const [, program = ''] = /^```ts\n(.*?)^```/ms.exec(readFileSync(readme, 'utf8')) ?? [];
  const env = { ...process.env, DATABASE_URL: await sharedServer() };
  // Inside the tree, so that the packages are found.
  const folder = mkdtempSync(fileURLToPath(new URL('../readme-', import.meta.url)));
  try {
    writeFileSync(join(folder, 'program.ts'), program);
    return ['first', 'second'].map(() => {
      const { stdout, stderr } = spawnSync('node', ['program.ts'], {
        cwd: folder,
        env,
        encoding: 'utf8',
        timeout: 60_000,
      });
      return { stdout, stderr };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
};
