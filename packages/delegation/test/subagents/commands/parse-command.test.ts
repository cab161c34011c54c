import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wordsOf } from '../../../src/subagents/commands/command-words.ts';
import { parseCommand } from '../../../src/subagents/commands/parse-command.ts';

/** Words as somebody types them who quotes whatever could be taken for something else. */
const joinWords = (words: readonly string[]): string =>
  words
    .map((word) => {
      const [flag = ''] = /^--[a-z][a-z-]*=/i.exec(word) ?? [];
      const value = word.slice(flag.length);
      if (flag !== '' && value === '') return flag;
      return /^[^\s"']\S*$/.test(value) ? word : `${flag}"${value.replaceAll(/["\\]/g, '\\$&')}"`;
    })
    .join(' ');

const texts = (line: string) => wordsOf(line).map(({ text }) => text);

describe('the words of a command', () => {
  test.each<[what: string, line: string, words: string[]]>([
    ['blanks of any kind', ' /agents \t list\n all ', ['/agents', 'list', 'all']],
    ['nothing', '  \n ', []],
    ['double quotes', 'a "b c" d', ['a', 'b c', 'd']],
    ['single quotes', "a 'b \"c' d", ['a', 'b "c', 'd']],
    ['empty quotes', 'a "" b', ['a', '', 'b']],
    ['a quoted value of a flag', '--specialization="data analysis" x', ['--specialization=data analysis', 'x']],
    ['an apostrophe', "don't stop the dogs' walk", ["don't", 'stop', 'the', "dogs'", 'walk']],
    ['a quote that is never closed', 'say "hello', ['say', '"hello']],
    ['a quote that closes inside of a word', '"a"b "c"', ['a"b "c']],
    ['escapes', String.raw`"a \"b\" \\ c" d\e "f\g"`, [String.raw`a "b" \ c`, String.raw`d\e`, String.raw`f\g`]],
  ])('are cut at %s [SB-152]', (_what, line, words) => {
    expect(texts(line)).toEqual(words);
  });

  test('are the same again when they were joined, whatever they hold [SB-152]', () => {
    const tricky = fc.string({
      unit: fc.constantFrom('a', ' ', '"', "'", '\\', '-', '=', '\n', 'é', '😀'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            tricky,
            fc.string(),
            tricky.map((value) => `--name=${value}`),
          ),
        ),
        (words) => {
          expect(texts(joinWords(words))).toEqual(words);
        },
      ),
    );
  });

  test('are found in a time that grows with the text, however many quotes are open [SB-152]', () => {
    const started = performance.now();
    for (const line of ['"a '.repeat(50_000), `"${'\\'.repeat(200_000)}`, '--mode --'.repeat(30_000)]) {
      wordsOf(line);
      parseCommand(`/agents spawn ${line}`);
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('a command', () => {
  test('is never thrown at: any text is understood, refused, or no command at all [SB-150]', () => {
    const word = fc.constantFrom(
      'spawn',
      'resume',
      'steer',
      'info',
      'kill',
      '--',
      '--mode',
      '--skills',
      '--keywords',
      '"',
      '=',
      '--name=',
    );
    const line = fc.array(fc.oneof(word, fc.string())).map((words) => words.join(' '));
    fc.assert(fc.property(fc.string(), (text) => void parseCommand(text)));
    fc.assert(
      fc.property(line, (text) => {
        const command = parseCommand(`/agents ${text}`);
        expect(command).not.toBeNull();
        if (command?.verb === 'spawn') expect(command.task.trim()).not.toBe('');
      }),
    );
  });

  test.each(['', 'hello', '/agent list', '/subagentslist', 'please /agents list', '"/agents" list'])(
    'is not seen in "%s" [SB-150]',
    (text) => {
      expect(parseCommand(text)).toBeNull();
    },
  );

  test.each<[line: string, command: object]>([
    ['/subagents', { verb: 'list' }],
    ['/agents', { verb: 'list' }],
    ['  /Agents LS ', { verb: 'list' }],
    ['/agents list', { verb: 'list' }],
    ['/subagents help', { verb: 'help' }],
    ['/agents dance', { verb: 'usage', of: null }],
    ['/agents cancel sub_1', { verb: 'cancel', agentId: 'sub_1' }],
    ['/agents kill ALL', { verb: 'cancel', agentId: null }],
    ['/agents cancel', { verb: 'usage', of: 'cancel' }],
    ['/agents cancel sub_1 sub_2', { verb: 'usage', of: 'cancel' }],
    ['/agents info sub_1', { verb: 'info', agentId: 'sub_1' }],
    ['/agents info', { verb: 'usage', of: 'info' }],
    ['/agents info a b', { verb: 'usage', of: 'info' }],
  ])('is read: %s [SB-150]', (line, command) => {
    expect(parseCommand(line)).toEqual(command);
  });

  test.each<[line: string, command: object]>([
    ['/agents resume nina Go on.\nThen stop.', { verb: 'resume', name: 'nina', task: 'Go on.\nThen stop.' }],
    ['/agents resume nina', { verb: 'usage', of: 'resume' }],
    ['/agents resume', { verb: 'usage', of: 'resume' }],
    ['/agents resume nina ""', { verb: 'usage', of: 'resume' }],
    ['/agents steer sub_1 look at --force', { verb: 'steer', agentId: 'sub_1', message: 'look at --force' }],
    ['/agents steer sub_1 "look  here"', { verb: 'steer', agentId: 'sub_1', message: 'look  here' }],
    ['/agents steer sub_1', { verb: 'usage', of: 'steer' }],
  ])('is read with what is said in it: %j [SB-155] [SB-157]', (line, command) => {
    expect(parseCommand(line)).toEqual(command);
  });

  test.each<[flags: string, task: string, said: object]>([
    ['Find the bug', 'Find the bug', { config: {} }],
    ['"Find  the bug"', 'Find  the bug', { config: {} }],
    ['Say "hello" to\n  them', 'Say "hello" to\n  them', { config: {} }],
    ['--model gpt Find it', 'Find it', { config: { model: 'gpt' } }],
    ['Find --model gpt it', 'Find it', { config: { model: 'gpt' } }],
    ['--MODEL=a=b Find it', 'Find it', { config: { model: 'a=b' } }],
    ['--model a --model b Find it', 'Find it', { config: { model: 'b' } }],
    ['--thinking deep Find it', 'Find it', { config: { thinking: 'extended' } }],
    ['--skills Find it', 'Find it', { config: { skills: true } }],
    ['--skills off Find it', 'Find it', { config: { skills: false } }],
    ['--skills ON Find it', 'Find it', { config: { skills: true } }],
    ['Find it --skills off', 'Find it', { config: { skills: false } }],
    ['--skills=ON Find it', 'Find it', { config: { skills: true } }],
    ['--skills=no Find it', 'Find it', { config: { skills: false } }],
    // A task that begins with something like it is a task.
    ['--skills No web search, please', 'No web search, please', { config: { skills: true } }],
    ['--skills 1 page on bees', '1 page on bees', { config: { skills: true } }],
    ['--skills On Monday, find it', 'On Monday, find it', { config: { skills: true } }],
    ['--skills off-by-one errors', 'off-by-one errors', { config: { skills: true } }],
    ['--skills "off" means what?', '"off" means what?', { config: { skills: true } }],
    ['Find it --skills', 'Find it', { config: { skills: true } }],
    ['--no-skills Find it', 'Find it', { config: { skills: false } }],
    ['--mode Session --name nina Find it', 'Find it', { name: 'nina', config: { mode: 'session' } }],
    [
      '--cleanup delete --routing orchestrated Find it',
      'Find it',
      { config: { cleanup: 'delete', routing: 'orchestrated' } },
    ],
    [
      'Find it --specialization data analysis --mode run',
      'Find it',
      { config: { specialization: 'data analysis', mode: 'run' } },
    ],
    ['--specialization data analysis -- Find -- it', 'Find -- it', { config: { specialization: 'data analysis' } }],
    ['--specialization="data analysis" Find it', 'Find it', { config: { specialization: 'data analysis' } }],
    [
      '--specialization "data analysis" --mode run Find it',
      'Find it',
      { config: { specialization: 'data analysis', mode: 'run' } },
    ],
    [
      'Find it --keywords report, weekly  status,,x',
      'Find it',
      { config: { keywords: ['report', 'weekly status', 'x'] } },
    ],
    ['-- --model is a flag', '--model is a flag', { config: {} }],
    ['"--model" is a flag', '"--model" is a flag', { config: {} }],
    ['Compare A -- the old -- with B --mode run', 'Compare A -- the old -- with B', { config: { mode: 'run' } }],
    ['A ---\nB', 'A ---\nB', { config: {} }],
  ])('spawns with flags: %j [SB-152]', (line, task, said) => {
    expect(parseCommand(`/subagents spawn ${line}`)).toEqual({ verb: 'spawn', task, ...said });
  });

  test('may be routed to with a flag [SB-154]', () => {
    const of = (flag: string) => parseCommand(`/subagents spawn ${flag} Find it`);
    expect(of('--auto-route')).toEqual({ verb: 'spawn', task: 'Find it', config: { autoRoute: true } });
    expect(of('--auto-route=no')).toEqual({ verb: 'spawn', task: 'Find it', config: { autoRoute: false } });
  });

  test.each(['', '--mode run', '--specialization all the words', '--', '""', '--skills'])(
    'spawns nothing without a task: "%s" [SB-152]',
    (line) => {
      expect(parseCommand(`/subagents spawn ${line}`)).toEqual({ verb: 'usage', of: 'spawn' });
    },
  );

  test.each<[line: string, problem: RegExp]>([
    ['--mode forever Find it', /^Invalid --mode: "forever"\. Expected run or session\.$/],
    ['--cleanup=burn Find it', /^Invalid --cleanup: "burn"\. Expected keep or delete\.$/],
    ['--routing zigzag Find it', /^Invalid --routing: "zigzag"\. Expected direct or orchestrated\.$/],
    ['--thinking wild Find it', /^Invalid --thinking: "wild"\. Expected "off", "basic" or "extended"\.$/],
    ['--skills=some Find it', /^Invalid --skills: "some"\. Expected on or off\.$/],
    ['--no-skills=off Find it', /^Invalid --no-skills: "off"\. Expected no value\.$/],
    ['--auto-route=maybe Find it', /^Invalid --auto-route: "maybe"\. Expected on or off\.$/],
    ['--keywords , , -- Find it', /^Invalid --keywords: ", ,"\. Expected words, separated by commas\.$/],
    ['--model', /^Invalid --model: its value is missing\.$/],
    ['--model --mode run Find it', /^Invalid --model: its value is missing\.$/],
    ['--name= Find it', /^Invalid --name: its value is missing\.$/],
    ['--keywords -- Find it', /^Invalid --keywords: its value is missing\.$/],
    ['git push --force', /^Invalid --force: there is no such flag\. Put -- before .*--model .*--auto-route/],
    [`--mode ${'x'.repeat(500)} Find it`, /^Invalid --mode: "x{59}…"\./],
  ])('names a flag that cannot be taken: %s [SB-152]', (line, problem) => {
    expect(parseCommand(`/subagents spawn ${line}`)).toEqual({
      verb: 'invalid',
      problem: expect.stringMatching(problem),
    });
  });

  test('is the same typed and cut by a shell, whatever is said in it [SB-152]', () => {
    const text = fc.string({ minLength: 1 }).filter((text) => text.trim() === text);
    const config = fc.record(
      {
        model: text,
        mode: fc.constantFrom('run', 'session'),
        skills: fc.boolean(),
        autoRoute: fc.boolean(),
        specialization: text,
      },
      { requiredKeys: [] },
    );
    const flagOf = {
      model: 'model',
      mode: 'mode',
      skills: 'skills',
      autoRoute: 'auto-route',
      specialization: 'specialization',
    };
    fc.assert(
      fc.property(config, text, (config, task) => {
        const said = Object.entries(config).map(([key, value]) => `--${flagOf[key as keyof typeof flagOf]}=${value}`);
        const words = ['spawn', ...said, '--', task];
        const command = { verb: 'spawn', task, config };
        expect(parseCommand(joinWords(['/subagents', ...words]))).toEqual(command);
        expect(parseCommand(words)).toEqual(command);
      }),
    );
  });

  test('is read from the words of a shell, whose quotes are gone [SB-152]', () => {
    const task = { verb: 'spawn', task: 'count  the files', config: { specialization: 'data analysis' } };
    expect(parseCommand(['spawn', '--specialization=data analysis', 'count  the', 'files'])).toEqual(task);
    expect(parseCommand(['spawn', '--specialization', 'data analysis', '--', 'count  the files'])).toEqual(task);
    expect(parseCommand(['spawn', '--mode is a flag'])).toMatchObject({ task: '--mode is a flag' });
    expect(parseCommand(['steer', 'sub_1', 'say "no"', 'now'])).toMatchObject({ message: 'say "no" now' });
    expect(parseCommand([])).toEqual({ verb: 'list' });
  });
});
