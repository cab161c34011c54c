import { expect, test } from 'vitest';
import { readmeProgram } from '../../../test/support/readme-program.ts';

test('the program of the README runs as it stands, as often as one likes', async () => {
  const said = { stdout: 'executes run_1\n', stderr: '' };
  expect(await readmeProgram(new URL('../README.md', import.meta.url))).toEqual([said, said]);
});
