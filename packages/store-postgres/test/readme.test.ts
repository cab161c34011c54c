import { expect, test } from 'vitest';
import { readmeProgram } from '../../../test/support/readme-program.ts';

test('the program of the README runs as it stands, again and again', async () => {
  const said = { stdout: '42\n', stderr: '' };
  expect(await readmeProgram(new URL('../README.md', import.meta.url))).toEqual([said, said]);
});
