import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ChatMessage, ChatRequest, Reply } from '../../src/rehearsal/conversation.ts';
import { rehearse } from '../../src/rehearsal/rehearse.ts';

const tools = (...names: string[]) => names.map((name) => ({ type: 'function', function: { name } }));
const fileTools = ['list_files', 'read_file', 'search_text'];

const Findings = z.object({
  area: z.string(),
  found: z.int(),
  findings: z.array(z.object({ file: z.string(), note: z.string() })),
});
const schemaBlock = `Answer so:\n\`\`\`json\n${JSON.stringify(z.toJSONSchema(Findings))}\n\`\`\``;

const callsOf = (reply: Reply) => ('calls' in reply ? reply.calls : []);
const textOf = (reply: Reply) => ('text' in reply ? reply.text : '');

/** The conversation after a reply and the results of its calls. */
const after = (
  request: ChatRequest,
  reply: Reply,
  result: (name: string, input: Record<string, unknown>) => string,
): ChatRequest => {
  const calls = callsOf(reply).map((call, n) => ({
    id: `call_${n}`,
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));
  const answers = callsOf(reply).map(
    (call, n): ChatMessage => ({ role: 'tool', tool_call_id: `call_${n}`, content: result(call.name, call.arguments) }),
  );
  return {
    ...request,
    messages: [...request.messages, { role: 'assistant', content: null, tool_calls: calls }, ...answers],
  };
};

const listing = (files: string[], folders: { path: string; files: number }[] = []) =>
  JSON.stringify({
    path: '.',
    folders: folders.map((folder) => ({ ...folder, bytes: 10 })),
    files: files.map((path) => ({ path, bytes: 100 })),
  });

describe('the rehearsal model as lead', () => {
  const start: ChatRequest = {
    messages: [
      { role: 'system', content: `Lead. ${schemaBlock}` },
      { role: 'user', content: 'Folder: x\nQuestion: Where are errors handled?' },
    ],
    tools: tools(...fileTools, 'spawn_subworker'),
  };

  test('lists the folder, then gives each area to a child in one turn, with the schema it was told', () => {
    const first = rehearse(start);
    expect(callsOf(first)).toEqual([{ name: 'list_files', arguments: { path: '.' } }]);
    const second = rehearse(
      after(start, first, () =>
        listing(
          ['README.md'],
          [
            { path: 'docs', files: 2 },
            { path: 'src', files: 5 },
          ],
        ),
      ),
    );
    expect(callsOf(second).map((call) => [call.name, call.arguments.name, call.arguments.tools])).toEqual([
      ['spawn_subworker', 'top level', fileTools],
      ['spawn_subworker', 'src', fileTools],
      ['spawn_subworker', 'docs', fileTools],
    ]);
    expect(callsOf(second)[1]?.arguments.task).toBe('Area: src\nQuestion: Where are errors handled?');
    expect(callsOf(second)[1]?.arguments.instructions).toContain(JSON.stringify(z.toJSONSchema(Findings)));
  });

  test('looks into a folder that holds most of the files, and takes five areas at most', () => {
    const first = rehearse(start);
    let request = after(start, first, () =>
      listing(
        ['README.md'],
        [
          { path: 'packages', files: 90 },
          { path: 'test', files: 9 },
        ],
      ),
    );
    const second = rehearse(request);
    expect(callsOf(second)).toEqual([{ name: 'list_files', arguments: { path: 'packages' } }]);
    request = after(request, second, () =>
      listing(
        [],
        [1, 2, 3, 4, 5].map((n) => ({ path: `packages/p${n}`, files: n * 3 })),
      ),
    );
    const areas = callsOf(rehearse(request)).map((call) => call.arguments.name);
    expect(areas).toEqual(['top level', 'packages/p5', 'packages/p4', 'packages/p3', 'test']);
    const report = textOf(rehearse(after(request, rehearse(request), () => JSON.stringify({ error: 'no' }))));
    expect(report).toContain('There was no child left for `packages/p2`, `packages/p1`.');
  });

  test('writes a report of what the children found, says which of them failed, and that it is a rehearsal', () => {
    const first = rehearse(start);
    const folders = [
      { path: 'docs', files: 2 },
      { path: 'src', files: 5 },
      { path: 'web', files: 1 },
    ];
    const listed = after(start, first, () => listing([], folders));
    const done = (findings: unknown) =>
      `${JSON.stringify(findings)}\n\n${JSON.stringify({ run_id: 'r', status: 'completed' })}`;
    const report = textOf(
      rehearse(
        after(listed, rehearse(listed), (_name, { name }) =>
          name === 'src'
            ? done({
                summary: 'Five files.',
                files_read: ['src/a.ts'],
                findings: [
                  { file: 'src/a.ts', kind: 'interface', note: 'Exports: run' },
                  { file: 'src/a.ts', line: 4, kind: 'mark', note: '// TODO: more' },
                  { file: 'src/b.ts', line: 9, kind: 'answer', note: 'handle(errors)' },
                ],
              })
            : name === 'docs'
              ? JSON.stringify({ error: 'Subworker failed: max_turns', data: { run_id: 'r' } })
              : done('just words'),
        ),
      ),
    );
    expect(report.split('\n')[0]).toMatch(/^> Rehearsal: no language model/);
    expect(report).toContain('**Question.** Where are errors handled?');
    expect(report).toContain('Areas: 3, 1 of them reported. Files read: 1. Lines marked TODO, FIXME, HACK or XXX: 1.');
    expect(report).toContain('## Where the words of the question occur\n\n- `src/b.ts:9` handle(errors)');
    expect(report).toContain('## src\n\nFive files.\n\n- `src/a.ts` Exports: run');
    expect(report).toContain('## docs\n\nNothing was reported: Subworker failed: max_turns');
    expect(report).toContain('## web\n\nNothing was reported: its answer is not JSON');
    expect(report).toContain('## Left for later\n\n- `src/a.ts:4` // TODO: more');
  });

  test('stays the lead when it is not offered any more children', () => {
    const listed = after(start, rehearse(start), () => listing([], [{ path: 'src', files: 5 }]));
    const settled = after(listed, rehearse(listed), () => '{"error":"no"}');
    expect(textOf(rehearse({ ...settled, tools: tools(...fileTools) }))).toContain(
      '## src\n\nNothing was reported: no',
    );
  });

  test('says so when there is nothing to look at, or the listing fails', () => {
    for (const result of [listing([]), '{"error":"There is no \\".\\"."}', 'not json'])
      expect(textOf(rehearse(after(start, rehearse(start), () => result)))).toContain('There are no files here');
  });
});

describe('the rehearsal model with delegate_task', () => {
  const research = (...names: string[]) => [
    ...tools(...fileTools, ...names),
    {
      type: 'function',
      function: { name: 'delegate_task', description: 'Several side by side: up to 2 in a call, and up to 2 calls.' },
    },
  ];
  const start: ChatRequest = {
    messages: [{ role: 'user', content: 'Folder: x\nQuestion: Where are\nerrors handled?' }],
    tools: research('delegate_in_background'),
  };
  const folders = ['a', 'b', 'c'].map((path, n) => ({ path, files: n }));
  const entry = (summary: string | null, error?: string) => ({
    status: summary === null ? 'failed' : 'completed',
    summary,
    ...(error && { error }),
  });
  const results = (...entries: object[]) => JSON.stringify({ results: entries });
  const dispatched = (_name: string, { goal }: Record<string, unknown>) =>
    JSON.stringify({ status: 'dispatched', delegation_id: 'deleg_1', goals: [goal] });
  const listed = after(start, rehearse(start), () => listing([], folders));
  const looked = after(listed, rehearse(listed), () => results(entry('It is small.')));
  const read = after(looked, rehearse(looked), () =>
    JSON.stringify({ error: 'None of them.', data: { results: [entry(null, 'It is down.'), entry('B is fine.')] } }),
  );
  const sent = after(read, rehearse(read), dispatched);
  const hearing = (text: string): ChatRequest => ({
    ...sent,
    messages: [...sent.messages, { role: 'assistant', content: 'Later.' }, { role: 'user', content: text }],
  });
  const block = (status: string, body: string) =>
    `[ASYNC DELEGATION COMPLETE — deleg_1]\n\nWork has ended.\n\nTASK 1/1: Search all files for its words\nrole leaf\nstatus ${status} · 1 s\n\n${body}`;

  test('asks one, then as many as the tool says that it may, then one in the background', () => {
    expect(callsOf(rehearse(listed))).toEqual([
      {
        name: 'delegate_task',
        arguments: {
          goal: 'Take a first look at the top level',
          context: 'Area: .\nQuestion: Where are errors handled?',
        },
      },
    ]);
    const [batch] = callsOf(rehearse(looked));
    expect(batch?.arguments.tasks).toMatchObject([{ goal: 'Read c' }, { goal: 'Read b' }]);
    expect(callsOf(rehearse(read))).toMatchObject([
      { name: 'delegate_in_background', arguments: { context: 'Search: .\nQuestion: Where are errors handled?' } },
    ]);
  });

  test('ends its turn while something is at work, and answers when it has heard of it', () => {
    expect(textOf(rehearse(sent))).toMatch(
      /2 of 3 scouts have reported\. At work in the background: Search all files for its words\./,
    );
    const answer = textOf(rehearse(hearing(block('completed (answered)', '3 lines.\n\n- `a.ts:1` errors'))));
    expect(answer.split('\n')[0]).toMatch(/^> Rehearsal: no language model/);
    expect(answer).toContain('3 of 4 scouts have reported.');
    expect(answer).toContain('## Take a first look at the top level\n\nIt is small.');
    expect(answer).toContain('## Read c\n\nNothing was reported: It is down.');
    expect(answer).toContain('## Search all files for its words\n\n3 lines.\n\n- `a.ts:1` errors');
    const failed = textOf(rehearse(hearing(block('timeout (timeout)', 'NO RESULT: too slow.'))));
    expect(failed).toContain('## Search all files for its words\n\nNothing was reported: NO RESULT: too slow.');
  });

  test('begins anew with another question, and tells a refusal as what it is', () => {
    const again = hearing('And where are they made?');
    expect(callsOf(rehearse(again))).toMatchObject([{ name: 'list_files' }]);
    const refused = { ...start, tools: research() };
    const first = after(refused, rehearse(refused), () => listing([]));
    const answer = textOf(rehearse(after(first, rehearse(first), () => '{"error":"Not now."}')));
    expect(answer).toContain('0 of 1 scout has reported.');
    expect(answer).toContain('Nothing was reported: Not now.');
  });

  test('tells why there is nothing, whatever a call gave, and who there was to ask', () => {
    const asked = { ...start, messages: [{ role: 'user', content: 'Where?' }], tools: research() };
    const ties = after(asked, rehearse(asked), () =>
      listing(
        [],
        [
          { path: 'b', files: 1 },
          { path: 'a', files: 1 },
        ],
      ),
    );
    const first = after(ties, rehearse(ties), () => '{}');
    expect(callsOf(rehearse(first))[0]?.arguments.tasks).toMatchObject([{ goal: 'Read a' }, { goal: 'Read b' }]);
    const both = after(first, rehearse(first), () =>
      results({ status: 'partial', summary: null }, entry(null), entry('More.')),
    );
    const answer = textOf(rehearse(both));
    expect(answer).toContain('**Question.** Where?');
    for (const why of ['no results', 'partial', 'failed']) expect(answer).toContain(`Nothing was reported: ${why}`);
    const used = { ...first, tools: tools(...fileTools) };
    expect(textOf(rehearse(used))).toContain('0 of 1 scout has reported.');
    expect(textOf(rehearse({ messages: [], tools: tools('delegate_task') }))).not.toContain('##');
  });

  test('is a scout where a context says so: reads an area or searches one, and answers in prose', () => {
    const scout = (context: string): ChatRequest => ({
      messages: [
        { role: 'system', content: `YOUR TASK:\nLook.\n\nCONTEXT:\n${context}\n\nWork on this.` },
        { role: 'user', content: 'Look.' },
      ],
      tools: tools(...fileTools),
    });
    const reading = scout('Area: src\nQuestion: Where are errors handled?');
    expect(callsOf(rehearse(reading)).map(({ name }) => name)).toEqual(['list_files', 'search_text', 'search_text']);
    const blind = after(reading, rehearse(reading), () => '{"error":"gone"}');
    expect(textOf(rehearse(blind))).toBe('The area could not be listed: gone');

    const searching = scout('Search: .\nQuestion: Where are errors handled?');
    expect(callsOf(rehearse(searching))).toEqual([
      { name: 'search_text', arguments: { path: '.', words: ['errors', 'handled'] } },
    ]);
    const found = (result: object) =>
      textOf(rehearse(after(searching, rehearse(searching), () => JSON.stringify(result))));
    const matches = [{ file: 'a.ts', line: 1, text: 'errors' }];
    expect(found({ files_searched: 4, matches, matches_not_shown: 6 })).toBe(
      '7 lines in 4 files hold one of: errors, handled.\n\n- `a.ts:1` errors',
    );
    expect(found({ error: 'gone' })).toBe('The search failed: gone');
    expect(textOf(rehearse(scout('Search: .\nQuestion: why')))).toContain('no word');
  });
});

describe('the rehearsal model as child', () => {
  const start: ChatRequest = {
    messages: [
      { role: 'system', content: `Review. ${schemaBlock}` },
      { role: 'user', content: 'Area: src\nQuestion: Where are errors handled?' },
    ],
    tools: tools(...fileTools),
  };
  const files: Record<string, string> = {
    'src/README.md': '# Source\n\nThis is where the source lives. Yes.\n',
    'src/index.ts': 'export { a } from "./a.ts";\n',
    'src/a.ts': '/** Adds numbers. */\nexport const a = 1; // TODO: b\n',
    'src/b.test.ts': 'test',
    'src/c.ts': 'export const c = 1;',
    'src/picture.png': '',
  };
  const result = (name: string, input: Record<string, unknown>): string => {
    if (name === 'list_files') return listing(Object.keys(files));
    if (name === 'search_text')
      return JSON.stringify({
        matches: [
          {
            file: 'src/a.ts',
            line: 2,
            text: Array.isArray(input.words) && input.words.includes('TODO') ? '// TODO: b' : 'errors',
          },
        ],
      });
    const text = files[String(input.path)] ?? '';
    const lines = text.trimEnd().split('\n');
    return `${String(input.path)}: lines 1 to ${lines.length} of ${lines.length}\n${lines.join('\n')}`;
  };

  /** Plays it to its answer; gives the calls of each turn. */
  const play = (from: ChatRequest, results = result) => {
    let request = from;
    const turns: string[][] = [];
    for (;;) {
      const reply = rehearse(request);
      if ('text' in reply) return { turns, text: reply.text };
      turns.push(reply.calls.map(({ name, arguments: input }) => `${name} ${String(input.path)}`));
      request = after(request, reply, results);
    }
  };

  test('lists, searches and reads the files that say most, several in a turn, and answers by the schema', () => {
    const { turns, text } = play(start);
    expect(turns).toEqual([
      ['list_files src', 'search_text src', 'search_text src'],
      ['read_file src/README.md', 'read_file src/index.ts', 'read_file src/a.ts', 'read_file src/c.ts'],
      ['read_file src/b.test.ts'],
    ]);
    const answer = Findings.parse(JSON.parse(text));
    expect(answer).toMatchObject({ area: 'src', found: 0 });
    expect(answer.findings).toEqual([
      { file: 'src/README.md', note: 'Headings: Source' },
      { file: 'src/README.md', note: 'This is where the source lives.' },
      { file: 'src/index.ts', note: 'Exports: a' },
      { file: 'src/a.ts', note: 'Exports: a' },
      { file: 'src/a.ts', note: 'Adds numbers.' },
      { file: 'src/a.ts', note: 'export const a = 1; // TODO: b' },
      { file: 'src/c.ts', note: 'Exports: c' },
      { file: 'src/a.ts', note: 'errors' },
    ]);
  });

  test('says the same to the same request', () => {
    expect(play(start)).toEqual(play(structuredClone(start)));
  });

  test('answers by the schema of the request itself, when there is one', () => {
    const schema = z.toJSONSchema(z.object({ summary: z.string() }));
    const { text } = play({ ...start, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });
    expect(Object.keys(JSON.parse(text) as object)).toEqual(['summary']);
  });

  test('ends when files cannot be read, the listing fails, or it has no tools for it', () => {
    const failing = play({ ...start, messages: start.messages.slice(1) }, (name, input) =>
      name === 'list_files' ? result(name, input) : '{"error":"cannot be read"}',
    );
    expect(JSON.parse(failing.text)).toMatchObject({ summary: '6 files, 600 bytes; 0 read.', findings: [] });
    const blind = play({ ...start, messages: start.messages.slice(1) }, () => '{"error":"There is no \\"src\\"."}');
    expect(JSON.parse(blind.text)).toMatchObject({ summary: 'The area could not be listed: There is no "src".' });
    expect(play({ ...start, tools: tools('read_file') }).turns).toEqual([]);
    expect(play({ messages: start.messages }).text).toContain('no file tools');
  });
});
