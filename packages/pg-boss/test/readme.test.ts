import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { sharedServer } from '../../../test/tools/postgres/server.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const readme = readFileSync(join(here, '../README.md'), 'utf8');

test('the program of the README runs as it stands, as often as one likes', async () => {
  const [, program = ''] = /^```ts\n(.*?)^```/ms.exec(readme) ?? [];
  const env = { ...process.env, DATABASE_URL: await sharedServer() };
  // Inside the tree, so that the packages are found.
  const folder = mkdtempSync(fileURLToPath(new URL('../../../test/readme-', import.meta.url)));
  try {
    writeFileSync(join(folder, 'program.ts'), program);
    for (const _life of ['first', 'second']) {
      const ran = spawnSync('node', ['program.ts'], { cwd: folder, env, encoding: 'utf8', timeout: 60_000 });
      expect(ran.stderr).toBe('');
      expect(ran.stdout).toBe('executes run_1\n');
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
