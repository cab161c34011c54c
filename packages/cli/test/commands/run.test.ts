import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { quoted } from '../../src/commands/again.ts';
import { background, freshFolder, linesOf, office, startTroupe, troupe, untilTold } from '../shell.ts';

describe('troupe run', () => {
  test('in a store of the agent file goes on with that file alone', async () => {
    const folder = freshFolder();
    const file = join(folder, 'agents.mjs');
    writeFileSync(
      file,
      `import office from ${JSON.stringify(office)};
import { sqliteStore } from ${JSON.stringify(import.meta.resolve('@troupe/store-sqlite'))};
const store = sqliteStore(${JSON.stringify(join(folder, 'own.db'))});
export default { ...office, store, close: () => store.close() };`,
    );
    const { code, stderr } = await troupe(folder, ['run', file, 'deploy', '--id', 'r']);
    expect([code, stderr]).toEqual([3, expect.stringContaining(`Go on with it: troupe resume r --file ${file}\n`)]);
    const answered = await startTroupe(folder, ['answer', 'r', 'yes', '--file', file]).ended;
    expect([answered.code, answered.stdout]).toEqual([0, 'Run "r" was answered.\nDone: deployed\n']);
  });

  test('gives the answer on one stream, and how it went on the other', async () => {
    const folder = freshFolder();
    const { code, stdout, stderr } = await troupe(folder, ['run', office, 'Hello', 'there.', '--id', 'hi']);
    expect([code, stdout]).toEqual([0, 'You said: Hello there.\n']);
    expect(stderr).toContain(`Run: hi  Store: ${join(folder, '.troupe/runs.db')}`);
    expect(stderr).toContain('✔ lead completed after 1 turn');
    expect(stderr).toMatch(/^together +1 run/m);
    // and what it stores is nothing to be committed
    expect(readFileSync(join(folder, '.troupe/.gitignore'), 'utf8')).toBe('*\n');
  });

  test('gives programs one line of JSON, the report, and nothing else', async () => {
    const { code, stdout, stderr } = await troupe(freshFolder(), ['run', office, 'Hello', '--json', '--id', 'hi']);
    expect([code, stderr]).toEqual([0, '']);
    expect(linesOf(stdout)).toEqual([
      expect.objectContaining({ runId: 'hi', status: 'completed', text: 'You said: Hello' }),
    ]);
  });

  test.each([
    ['the job that comes in', [], 'From a pipe.\n'],
    ['"-" for it', ['-'], 'From a pipe.\n'],
  ])('takes %s', async (_what, words, stdin) => {
    const { stdout } = await troupe(freshFolder(), ['run', office, ...words, '--no-store'], { stdin });
    expect(stdout).toBe('You said: From a pipe.\n');
  });

  test('stores nothing with --no-store, and elsewhere with --store or TROUPE_STORE', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--no-store']);
    expect(existsSync(join(folder, '.troupe'))).toBe(false);
    await troupe(folder, ['run', office, 'Hello', '--store', 'deep/er/a.db']);
    await troupe(folder, ['run', office, 'Hello'], { environment: { TROUPE_STORE: 'b.db' } });
    expect([existsSync(join(folder, 'deep/er/a.db')), existsSync(join(folder, 'b.db'))]).toEqual([true, true]);
  });

  test('gives the job to the agent that is named, and goes on with a conversation', async () => {
    const folder = freshFolder();
    const first = await troupe(folder, ['run', office, 'One.', '--agent', 'clerk', '--session', 'chat', '--json']);
    const second = await troupe(folder, ['run', office, 'Two.', '--agent', 'clerk', '--session', 'chat', '--json']);
    const [report] = linesOf(second.stdout);
    expect(linesOf(first.stdout)[0].agent).toBe('clerk');
    expect(report.messages.map(({ content }: { content: string }) => content)).toContain('You said: One.');
  });

  test('stays until what it has begun in the background is heard of', async () => {
    const { stdout, stderr, code } = await startTroupe(freshFolder(), ['run', background, 'go']).ended;
    expect([code, stdout]).toEqual([0, 'The answer is forty-two.\n']);
    expect(stderr).toContain('Waits for a run in the background.');
    expect(stderr).toMatch(/^together +4 runs/m);
  }, 20_000);

  test('ends with 1 and says why when the run fails, also where its budget ends it', async () => {
    const folder = freshFolder();
    const failed = await troupe(folder, ['run', office, 'fail']);
    expect([failed.code, failed.stdout]).toEqual([1, '']);
    expect(failed.stderr).toMatch(/failed: model_error – It is down\.\n$/);
    const poor = await troupe(folder, [
      'run',
      office,
      '--budget',
      'toolCalls=0',
      '--budget',
      'turns=5',
      'dig',
      '--json',
    ]);
    expect([poor.code, linesOf(poor.stdout)[0].exitReason]).toEqual([1, 'max_tool_calls']);
  });

  test('ends with 3 where a run waits for an answer and nobody is here, and says how to go on', async () => {
    const folder = freshFolder();
    const asked = await troupe(folder, ['run', office, 'deploy', '--id', 'r']);
    expect([asked.code, asked.stdout]).toEqual([3, '']);
    expect(asked.stderr).toContain('? May I deploy? (yes, no)');
    expect(asked.stderr).toContain(`troupe resume r --file ${office}`);
    const lost = await troupe(folder, ['run', office, 'deploy', '--no-store', '--json']);
    expect([lost.code, linesOf(lost.stdout)[0].status]).toEqual([3, 'paused']);
  });

  test('names the store that was named, in words that a shell takes as they are', async () => {
    const folder = freshFolder();
    const store = join(folder, 'my runs.db');
    const asked = await troupe(folder, ['run', office, 'deploy', '--id', 'r', '--store', 'my runs.db']);
    expect(asked.stderr).toContain(`troupe resume r --file ${office} --store ${quoted(store)}\n`);
    expect(asked.stderr).toContain(
      `troupe answer ${quoted('r/1-0?')} ANSWER --file ${office} --store ${quoted(store)}\n`,
    );
    const shown = await troupe(folder, ['runs', 'show', 'r', '--store', store]);
    expect(shown.stdout).toContain(`troupe answer ${quoted('r/1-0?')} ANSWER --store ${quoted(store)}\n`);
    expect(quoted("it's", 'linux')).toBe(`'it'\\''s'`);
    expect(quoted('C:\\runs\\a b.db', 'win32')).toBe('"C:\\runs\\a b.db"');
  });

  test.each([
    ['run', office, 'Hello'],
    ['runs', 'list'],
    ['complete', '--', 'runs', 'show'],
  ])('leaves a file alone that is no store: %s', async (...args) => {
    const folder = freshFolder();
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'These are notes, and no database.');
    const environment = { TROUPE_STORE: file };
    const { code, stderr } = await troupe(folder, [...args, ...(args[0] === 'complete' ? [''] : [])], { environment });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/notes\.txt is no store: it is no SQLite database/)]);
    expect(readdirSync(folder)).toEqual(['notes.txt']);
    expect(readFileSync(file, 'utf8')).toBe('These are notes, and no database.');
  });

  test('is interrupted by SIGINT, with everything below, and ends with 130', async () => {
    const folder = freshFolder();
    const process = startTroupe(folder, ['run', office, 'split 2', '--id', 'r', '--json']);
    const following = startTroupe(folder, ['run', office, 'dig', '--id', 'other', '--json']);
    await untilTold(folder, 'r', 'call.started', 3);
    process.child.kill('SIGINT');
    const { code, stdout } = await process.ended;
    expect([code, linesOf(stdout)[0].status]).toEqual([130, 'interrupted']);
    await untilTold(folder, 'other', 'call.started', 1);
    following.child.kill('SIGTERM');
    expect((await following.ended).code).toBe(143);
    const { stdout: tree } = await troupe(folder, ['runs', 'tree', 'r']);
    expect(tree).toMatch(
      /^■ interrupted {2}lead {2}r {2}1 turn .*\n {2}■ interrupted: parent_interrupted {2}part 1 {2}r\/1-0\/0 /,
    );
    const { stdout: child } = await troupe(folder, ['runs', 'tree', 'r/1-1/0', '--json']);
    expect(linesOf(child)[0]).toMatchObject({ agent: 'part 2', parentId: 'r', children: [] });
    const { stdout: own } = await troupe(folder, ['runs', 'events', 'r/1-0/0', '--json']);
    expect(new Set(linesOf(own).map(({ runId }) => runId))).toEqual(new Set(['r/1-0/0']));
    const { stdout: rows } = await troupe(folder, ['runs', 'list', '--all', '--json']);
    expect(linesOf(rows).map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 'interrupted'));
  }, 30_000);

  test.each<[what: string, args: string[], code: number, problem: RegExp]>([
    ['no job', ['run', office], 2, /There is no job\./],
    [
      'no agent of that name',
      ['run', office, 'x', '--agent', 'boss'],
      2,
      /no agent "boss"\. Expected one of: lead, clerk\./,
    ],
    [
      'no such limit',
      ['run', office, 'x', '--budget', 'dollars=1'],
      2,
      /--budget names the limit "dollars"\. Expected turns, /,
    ],
    [
      'no such amount',
      ['run', office, 'x', '--budget', 'turns=many'],
      2,
      /--budget turns is "many"\. Expected a number/,
    ],
    ['half a turn', ['run', office, 'x', '--budget', 'turns=0.5'], 2, /--budget turns is 0\.5/],
    ['no file', ['run'], 2, /missing required argument 'file'/],
    ['no such file', ['run', 'nowhere.mjs', 'x'], 1, /There is no agent file "nowhere\.mjs"\. Looked for /],
    ['an id that is none', ['run', office, 'x', '--id', 'a/b'], 2, /"a\/b" cannot be a run's id/],
    ['an id that is taken', ['run', office, 'other', '--id', 'taken'], 4, /Run "taken" exists/],
  ])('refuses %s', async (_what, args, code, problem) => {
    const folder = freshFolder();
    if (args.includes('taken')) await troupe(folder, ['run', office, 'first', '--id', 'taken']);
    const ended = await troupe(folder, args);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(problem);
    const json = await troupe(folder, [...args, '--json']);
    if (!/missing/.test(ended.stderr)) expect(linesOf(json.stderr)[0].error.message).toMatch(problem);
  });
});

describe('an agent file', () => {
  const agent = `{ name: 'a', instructions: 'x', tools: [] }`;
  const provider = `{ async *takeTurn() { yield { type: 'text', delta: 'Hi.' }; yield { type: 'finish', reason: 'stop' }; } }`;

  test.each([
    [
      'is an agent by itself',
      `export default { name: 'a', instructions: 'x', tools: [], provider: ${provider}, model: 'm' };`,
    ],
    ['is runtime options with one agent', `export default { agents: [${agent}], provider: ${provider}, model: 'm' };`],
    [
      'closes what it has opened',
      `export default { agent: ${agent}, provider: ${provider}, model: 'm', close: () => console.error('closed') };`,
    ],
    ['brings several providers', `export default { agent: ${agent}, providers: { p: ${provider} }, model: 'p/m' };`],
  ])(
    '%s',
    async (_what, module) => {
      const folder = freshFolder();
      writeFileSync(join(folder, 'agents.mjs'), module);
      const ended = await startTroupe(folder, ['run', 'agents.mjs', 'go'], { TROUPE_MODEL: 'rehearsal' }).ended;
      expect([ended.code, ended.stdout]).toEqual([0, 'Hi.\n']);
      if (module.includes('closed')) expect(ended.stderr).toMatch(/closed\n$/);
    },
    20_000,
  );

  test.each([
    [
      'has no default export',
      'export const a = 1, b = 2;',
      /has no default export, only a, b\. Expected: export default defineAgent/,
    ],
    ['exports something else', 'export default 7;', /exports number "7"\./],
    ['exports nothing', 'export default null;', /exports null "null"\./],
    ['exports a list', `export default [${agent}];`, /exports a list\./],
    ['has no agent', 'export default {};', /exports no agent\./],
    ['has an unknown option', `export default { agent: ${agent}, modle: 'x' };`, /exports the unknown "modle"\./],
    ['has a strange agent', 'export default { agent: { name: "a" } };', /exports as its agent an object with name\./],
    ['has strange agents', `export default { agents: [${agent}, 3] };`, /among its agents number "3"\./],
    ['has agents that are none', 'export default { agents: 3 };', /among its agents number "3"\./],
    ['has a strange close', `export default { agent: ${agent}, close: 1 };`, /exports as close number "1"\./],
    [
      'contradicts itself',
      `export default { agent: ${agent}, provider: ${provider}, providers: { p: ${provider} } };`,
      /both "provider" and "providers"/,
    ],
    [
      'does not say who',
      `export default { agents: [${agent}, { ...${agent}, name: 'b' }], provider: ${provider} };`,
      /has several agents: a, b\. Say which one gets the job/,
    ],
  ])('that %s is refused in a sentence', async (_what, module, problem) => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'agents.mjs'), module);
    const ended = await troupe(folder, ['run', 'agents.mjs', 'go'], { environment: { TROUPE_MODEL: 'rehearsal' } });
    expect([ended.code > 0, ended.stdout]).toEqual([true, '']);
    expect(ended.stderr).toMatch(problem);
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
  });
});
