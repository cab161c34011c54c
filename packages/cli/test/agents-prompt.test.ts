import { PassThrough } from 'node:stream';
import { defineAgent } from '@troupe/core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type AgentsPromptOptions, agentsPrompt } from '../src/agents-prompt.ts';
import { openApp } from './agents-app.ts';

/** A prompt over streams in memory. */
const openPrompt = ({ isTTY = false, ...options }: Partial<AgentsPromptOptions> & { isTTY?: boolean } = {}) => {
  const app = openApp();
  onTestFinished(() => app.runtime.close({ runs: 'interrupt', graceMs: 0 }));
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = Object.assign(new PassThrough(), { isTTY });
  let text = '';
  const waiting = new Set<() => void>();
  output.on('data', (chunk) => {
    text += String(chunk);
    for (const look of waiting) look();
  });
  const ended = agentsPrompt({ ...app, input, output, environment: {}, ...options });
  return {
    ...app,
    input,
    output,
    ended,
    type: (...lines: string[]) => void input.write(lines.map((line) => `${line}\n`).join('')),
    /** Resolves once this was printed. */
    printed: (what: string | RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (typeof what === 'string' ? !text.includes(what) : !what.test(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    get text() {
      return text.replaceAll(/sub_\w{10}/g, 'ID');
    },
  };
};

describe('the prompt for agents', () => {
  test('sends plain text to the agent and gives commands, and ends with its input once all that was asked for has ended', async () => {
    const prompt = openPrompt({ agent: undefined });
    prompt.type('', '/agents', '/agents spawn count the files', 'hello');
    prompt.input.end();
    await prompt.ended;
    expect(prompt.text.split('\n').sort()).toEqual(
      [
        'No sub-agents spawned.',
        'Sub-agent count the files (ID) is spawning.',
        'Sub-agent spawned!',
        'ID: ID',
        'Label: count the files',
        'Model: default',
        'Thinking: default',
        'Skills: inherit',
        'Mode: run',
        'Nested spawn: off',
        'There is nobody to talk to here. Try /subagents help.',
        'Sub-agent count the files (ID) completed after 0s: done: count the files',
        'done: count the files',
        '',
      ].sort(),
    );
  });

  test('prints each answer of the agent, also the one that a result of a sub-agent leads to', async () => {
    const prompt = openPrompt();
    prompt.type('hello', 'fail please', '/agents spawn count the files');
    await prompt.printed('done: [Sub-agent Completed]');
    expect(prompt.text).toMatch(/^done: hello$/m);
    expect(prompt.text).toMatch(/^Failed: model_error – .*It is down\.$/m);
    prompt.type('hang on');
    await new Promise((resolve) => setImmediate(resolve));
    await (await prompt.runtime.session(prompt.agent, { sessionKey: 'terminal' }).runs())[0]?.interrupt('Enough.');
    await prompt.printed('Interrupted: Enough.');
    prompt.input.end();
    await prompt.ended;
  });

  test('tells of sub-agents of its own session, and of those below, and of no others [SB-160]', async () => {
    const prompt = openPrompt();
    const { manager } = prompt;
    prompt.type('/agents spawn --routing orchestrated hang on');
    await prompt.printed('Nested spawn: on');
    const [mine] = (await manager.status()).active;
    await manager.spawn({ task: 'below', parentId: mine!.agentId });
    await manager.spawn({ task: 'elsewhere', scope: 'another' });
    await prompt.printed('below (');
    await manager.steer({ agentId: mine!.agentId, message: 'count' });
    await prompt.printed('hang on (');
    prompt.type('/agents kill all', '/exit', 'never heard');
    await prompt.ended;
    expect(prompt.text).toContain('Sub-agent below (ID) is spawning.');
    expect(prompt.text).not.toContain('elsewhere');
    expect(prompt.text).not.toContain('never heard');
  });

  test('asks what a run asks, and takes the next line as its answer', async () => {
    const prompt = openPrompt();
    prompt.type('deploy');
    await prompt.printed('May I deploy? (yes, no)\nYour next line answers it.');
    // Enter alone is no answer
    prompt.type('', '  ', 'perhaps');
    await prompt.printed(/^Not answered: /m);
    expect(prompt.text.match(/^Not answered: /gm)).toHaveLength(1);
    prompt.type('/agents', 'yes');
    await prompt.printed('The tool said: deployed');
    expect(prompt.text).toMatch(/^No sub-agents spawned\.$/m);
    prompt.type('thanks');
    await prompt.printed('done: thanks');
    prompt.input.end();
    await prompt.ended;
  });

  test('ends with its input where nobody is there to answer a question, and asks it again the next time', async () => {
    const prompt = openPrompt();
    prompt.type('deploy');
    prompt.input.end();
    await prompt.ended;
    expect(prompt.text).toMatch(/^May I deploy\?/m);
    // when somebody comes back
    const { runtime, manager, agent } = prompt;
    const again = openPrompt({ runtime, manager, agent });
    await again.printed('May I deploy?');
    again.type('no');
    await again.printed('The tool said: ');
    again.input.end();
    await again.ended;
  });

  test('asks for any text, and prints answers that are data', async () => {
    const prompt = openPrompt();
    prompt.type('ask');
    await prompt.printed('Which colour?\nYour next line answers it.');
    prompt.type('green');
    await prompt.printed('The tool said: green');
    const counting = defineAgent({
      name: 'counter',
      instructions: 'Count.',
      outputSchema: z.object({ files: z.number() }),
    });
    const other = openPrompt({
      runtime: prompt.runtime,
      manager: prompt.manager,
      agent: counting,
      sessionKey: 'other',
    });
    other.type('count');
    await other.printed('{"files":12}');
    for (const { input } of [prompt, other]) input.end();
    await Promise.all([prompt.ended, other.ended]);
    expect(prompt.text).not.toContain('files');
  });

  test('prints no answers of runs that are not of its session', async () => {
    const prompt = openPrompt({ agent: undefined });
    prompt.type('/agents');
    await prompt.printed('No sub-agents');
    await prompt.runtime.run(defineAgent({ name: 'other', instructions: 'Help.' }), 'hello');
    prompt.input.end();
    await prompt.ended;
    expect(prompt.text).toBe('No sub-agents spawned.\n');
  });

  test('forgets a question whose run has ended', async () => {
    const prompt = openPrompt();
    prompt.type('deploy');
    await prompt.printed('May I deploy?');
    await prompt.runtime.session(prompt.agent, { sessionKey: 'terminal' }).interrupt();
    await prompt.printed('Interrupted: ');
    prompt.type('yes');
    await prompt.printed('done: yes');
    prompt.input.end();
    await prompt.ended;
  });

  test.each<[how: string, end: (prompt: ReturnType<typeof openPrompt>) => void]>([
    ['/exit', ({ type }) => type('/exit')],
    ['Ctrl-D', ({ input }) => void input.write('\u0004')],
    ['Ctrl-C', ({ input }) => void input.write('\u0003')],
    ['the end of the output', ({ output }) => void output.destroy()],
    ['an output that fails', ({ output }) => void output.destroy(new Error('EPIPE'))],
    ['an input that fails', ({ input }) => void input.destroy(new Error('EIO'))],
  ])('ends on a terminal with %s, whatever is at work', async (_how, end) => {
    const prompt = openPrompt({ isTTY: true });
    prompt.type('hang on', '/agents spawn hang too');
    await prompt.printed('Nested spawn');
    end(prompt);
    await prompt.ended;
    expect(await prompt.manager.status()).toMatchObject({ total: 1 });
  });

  test.each([true, false])('ends when its output throws (terminal: %s)', async (isTTY) => {
    const prompt = openPrompt({ isTTY });
    prompt.type('/agents');
    await prompt.printed('No sub-agents');
    prompt.output.write = () => {
      throw new Error('EPIPE');
    };
    await prompt.manager.spawn({ task: 'count', scope: 'terminal' });
    await prompt.ended;
  });

  test.each<[what: string, environment: Record<string, string>, isTTY: boolean, isDim: boolean]>([
    ['a terminal', {}, true, true],
    ['a terminal without colours (NO_COLOR)', { NO_COLOR: '1' }, true, false],
    ['a terminal that has none', { TERM: 'dumb' }, true, false],
    ['no terminal', {}, false, false],
  ])('prints what happens meanwhile for %s', async (_what, environment, isTTY, isDim) => {
    const prompt = openPrompt({ isTTY, environment });
    prompt.type('/agents spawn count the files');
    await prompt.printed('completed after');
    prompt.type('/exit');
    await prompt.ended;
    expect(prompt.text.includes('\u001b[2mSub-agent count the files (ID) is spawning.\u001b[22m')).toBe(isDim);
    expect(prompt.text.includes('> ')).toBe(isTTY);
  });

  test('shows no control sequences of a model', async () => {
    const prompt = openPrompt();
    prompt.type('red \u001b[31malert');
    await prompt.printed('done: red alert');
    prompt.input.end();
    await prompt.ended;
  });

  test('says what could not be read, or done', async () => {
    const prompt = openPrompt();
    await prompt.runtime.close();
    prompt.type('hello');
    await prompt.printed(/^It did not work: /m);
    prompt.input.end();
    await prompt.ended;
  });
});
