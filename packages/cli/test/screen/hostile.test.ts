/** What models, tools and files say reaches no terminal as a command. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inTerminal, keys } from '../pseudo-terminal.ts';
import { bin, freshFolder, office, troupe } from '../shell.ts';

// A title, another screen, a colour in one character, a backspace, and a turned direction of writing.
const attack = '\u001b]0;pwned\u0007\u001b[?1049h\u009b31m\u0008\u202e';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the commands
const isAttack = /\u001b\]0;|\u001b\[\?1049|[\u0080-\u009f\u0008\u202e]/;

/** An agent file whose model, tool and question are hostile. */
const hostile = `import { defineAgent, defineTool } from ${JSON.stringify(import.meta.resolve('@troupe/core'))};
import { createSubworkerTool } from ${JSON.stringify(import.meta.resolve('@troupe/delegation'))};
import { scriptedProvider } from ${JSON.stringify(import.meta.resolve('@troupe/testing'))};
import { z } from ${JSON.stringify(import.meta.resolve('zod'))};
const attack = ${JSON.stringify(attack)};
const bad = defineTool({ name: 'bad', description: 'x', inputSchema: z.object({}), execute: () => { throw new Error('Broken ' + attack); } });
const ask = defineTool({ name: 'ask', description: 'x', inputSchema: z.object({}), confirm: true, prompt: 'May I ' + attack + '?', execute: () => attack });
const turns = [
  { calls: [{ name: 'bad', arguments: {} }, { name: 'spawn_subworker', arguments: { name: 'worker ' + attack, instructions: attack, task: 'Dig ' + attack, tools: ['bad'] } }] },
  { text: 'Thinking ' + attack, calls: [{ name: 'ask', arguments: {} }] },
];
export default {
  agent: defineAgent({ name: 'lead', instructions: 'x', tools: [bad, ask, createSubworkerTool({ availableTools: [bad] })] }),
  provider: scriptedProvider(({ messages }) => {
    const told = messages.filter(({ role }) => role === 'assistant').length;
    return messages.some(({ content }) => JSON.stringify(content).startsWith('"Dig ')) ? 'Child ' + attack : (turns[told] ?? 'Answer ' + attack);
  }),
  model: 'scripted',
};
`;

const withFile = (): string => {
  const folder = freshFolder();
  writeFileSync(join(folder, 'hostile.mjs'), hostile);
  return folder;
};

describe('a hostile model', { timeout: 30_000 }, () => {
  test('draws nothing of its own on a terminal', async () => {
    const folder = withFile();
    const args = [bin, 'run', 'hostile.mjs', `Go on ${attack}`, '--id', 'r'];
    const terminal = inTerminal(process.execPath, args, { cwd: folder });
    await terminal.until(/May I .*\?/);
    terminal.type('yes');
    await terminal.until(/› yes/);
    terminal.type(keys.enter);
    expect(await terminal.exit).toBe(0);
    expect(terminal.text).toMatch(/Answer/);
    expect(terminal.raw).not.toMatch(isAttack);
  });

  test('is told without its commands by every other command, as JSON too', async () => {
    const folder = withFile();
    const said: string[] = [];
    const give = async (...args: string[]) => {
      for (const flags of [[], ['--json']]) {
        const { stdout, stderr } = await troupe(folder, [...args, ...flags]);
        said.push(stdout, stderr);
      }
    };
    await give('run', 'hostile.mjs', `Go on ${attack}`, '--id', 'r');
    const { stdout } = await troupe(folder, ['answer', 'r', 'yes', '--file', 'hostile.mjs']);
    said.push(stdout);
    expect(stdout).toContain('Answer');
    await give('runs', 'list', '--all');
    for (const what of ['show', 'events', 'tree']) await give('runs', what, 'r');
    for (const format of ['markdown', 'html', 'jsonl', 'sequence']) await give('runs', 'export', 'r', '--as', format);
    await give('replay', 'r');
    await give('run', `${attack}.mjs`, 'go');
    await give('steer', attack, attack);
    expect(said.join('').length).toBeGreaterThan(10_000);
    for (const text of said) expect(text).not.toMatch(isAttack);
    // and programs that read it lose nothing
    const { stdout: exported } = await troupe(folder, ['runs', 'export', 'r', '--as', 'jsonl']);
    expect(JSON.parse(exported.split('\n')[0] ?? '').job.input).toBe(`Go on ${attack}`);
  });
});

test('a terminal of 20 columns has its tree, its question and its keys', async () => {
  const folder = freshFolder();
  const args = [bin, 'run', office, 'deploy', '--id', 'r'];
  const terminal = inTerminal(process.execPath, args, { cwd: folder, columns: 20, rows: 16 });
  const shown = await terminal.until(/ {4}› ▏[\s\S]*enter send$/);
  expect(shown).toMatch(/^ {4}May I deploy\?\n {4}\(yes, no\)$/m);
  terminal.type(keys.escape);
  await terminal.until((text) => !text.includes('›'));
  terminal.type('i');
  await terminal.until(/Interrupt\? y\/n/);
  terminal.type('n');
  terminal.type(keys.ctrlC);
  expect(await terminal.exit).toBe(130);
}, 30_000);
