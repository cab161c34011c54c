import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { LLMock } from '@copilotkit/aimock';
import { describe, expect, type TestContext, test } from 'vitest';
import { type Ended, folderWith, rehearsal, runExample, type Watch } from './fixture.ts';

const demo = async (context: TestContext, args: string[], env: Record<string, string>, watch?: Watch) => {
  const begun = performance.now();
  const store = args.includes('--store') ? [] : ['--store', join(folderWith({}, context.onTestFinished), 'runs.db')];
  const ended = await runExample('review', [...args, ...store], context, { env, watch });
  return { ...ended, ms: performance.now() - begun };
};

const small = {
  'README.md': '# Weather station\n\nMeasures wind and rain on a roof. Then it tells.\n\n## Wiring\n',
  'src/index.ts': '/** Reads the wind meter. */\nexport const readWind = () => 3;\n// TODO: calibrate\n',
  'src/rain.ts': 'export class RainGauge {}\n',
  'docs/wiring.md': '# Wiring plan\n\nRed goes to plus.\n',
};

/** One sentence on standard error, and no stack trace anywhere. */
const oneSentence = ({ stderr, stdout }: Ended) => {
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr + stdout).not.toMatch(/^\s+at /m);
  return stderr.trim();
};

const free = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

// At once: they are slow because their models take time to think.
describe.concurrent('the review demo', { timeout: 60_000 }, () => {
  test('rehearses on a folder: says so first, names the real files, and tells what each run used', async (context) => {
    const folder = folderWith(small, context.onTestFinished);
    const out = join(folderWith({}, context.onTestFinished), 'reports', 'review.md');
    const ended = await demo(context, [folder, 'How is the wind measured?', '--out', out], rehearsal);
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
    expect(ended.ms).toBeLessThan(45_000);

    const { stdout } = ended;
    expect(stdout.split('\n')[0]).toMatch(/^Rehearsal: no language model took part\./);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('· lead turn 2: spawn_subworker ×3');
    expect(stdout).toMatch(/^ {2}src +✔ completed +3 +[\d.]+k? +\$0 +[\d.]+ s$/m);
    expect(stdout).toMatch(/^together +4 runs/m);
    expect(stdout).toContain('3 of 3 children answered in the agreed form.');
    expect(stdout).toContain(`Report: ${out}`);
    expect(stdout).toMatch(/^Runs: .*runs\.db$/m);

    const report = readFileSync(out, 'utf8');
    expect(report.split('\n')[0]).toMatch(/^> Rehearsal: no language model/);
    for (const fact of [
      'How is the wind measured?',
      '`README.md` Headings: Weather station, Wiring',
      '`README.md` Measures wind and rain on a roof.',
      '`docs/wiring.md` Headings: Wiring plan',
      '`src/index.ts` Exports: readWind',
      '`src/index.ts` Reads the wind meter.',
      '`src/rain.ts` Exports: RainGauge',
      '`src/index.ts:3` // TODO: calibrate',
      '`src/index.ts:2` export const readWind',
    ])
      expect(report).toContain(fact);
    expect(report).toMatch(/^together +4 runs/m);
  });

  test('finds nothing to look at in an empty folder, and says so', async (context) => {
    const ended = await demo(context, [folderWith({}, context.onTestFinished)], rehearsal);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toContain('There are no files here that could be looked at.');
  });

  test('works with the server that OPENAI_BASE_URL names', async (context) => {
    // given a model that sends one child to look, and repeats what it found
    const model = new LLMock({ port: 0, logLevel: 'silent' });
    context.onTestFinished(() => model.stop());
    const has = (tool: string) => (request: { tools?: { function: { name: string } }[] }) =>
      request.tools?.some(({ function: { name } }) => name === tool) ?? false;
    const findings = {
      area: 'src',
      summary: 'Two files.',
      files_read: [],
      findings: [{ file: 'src/rain.ts', kind: 'answer', note: 'wet' }],
    };
    model.on(
      {
        predicate: (request) =>
          has('spawn_subworker')(request) && !request.messages.some(({ role }) => role === 'tool'),
      },
      () => ({
        content: '',
        toolCalls: [
          {
            name: 'spawn_subworker',
            arguments: JSON.stringify({
              name: 'src',
              instructions: 'Look.',
              task: 'Look at src',
              tools: ['read_file'],
            }),
          },
        ],
      }),
    );
    model.on({ predicate: (request) => !has('spawn_subworker')(request) }, () => ({
      content: JSON.stringify(findings),
    }));
    model.on({ predicate: () => true }, (request) => ({
      content: `# Told\n\n${String(request.messages.at(-1)?.content)}\u001b[2J`,
    }));
    await model.start();
    // when the demo runs against it
    const env = { OPENAI_BASE_URL: `${model.url}/v1`, OPENAI_API_KEY: 'sk-anything', TROUPE_MODEL: 'gpt-5-mini' };
    const out = join(folderWith({}, context.onTestFinished), 'review.md');
    const ended = await demo(context, [folderWith(small, context.onTestFinished), 'Is it wet?', '--out', out], env);
    // then it is named, its calls were real, and what they cost is told
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
    expect(ended.stdout.split('\n')[0]).toBe(`Model: gpt-5-mini, ${model.url}/v1.`);
    expect(ended.stdout).not.toContain('Rehearsal');
    expect(ended.stdout).not.toContain('\u001b');
    expect(ended.stdout).toContain('Findings: 1 in 1 files; 1 of 1 children answered in the agreed form.');
    expect(ended.stdout).toMatch(/^lead +✔ completed +2 +\d+ +<?\$0\.0\d+/m);
    expect(readFileSync(out, 'utf8')).toContain('src/rain.ts');
    expect(model.getRequests().length).toBe(3);
  });

  test('tells a wrong path, a file, and wrong arguments in one sentence', async (context) => {
    const folder = folderWith(small, context.onTestFinished);
    const nope = await demo(context, [join(folder, 'nope')], rehearsal);
    expect([nope.code, nope.stdout]).toEqual([1, '']);
    expect(oneSentence(nope)).toBe(`There is no folder "${join(folder, 'nope')}".`);
    expect(oneSentence(await demo(context, [join(folder, 'README.md')], rehearsal))).toContain(
      'is a file; give the path of a folder.',
    );
    const wrong = await demo(context, [folder, 'why', 'me'], rehearsal);
    expect(wrong.code).toBe(1);
    expect(oneSentence(wrong)).toBe(
      'There are too many arguments: put the question in quotes. Usage: npm run demo -- [PATH] ["question"] [--out FILE] [--store FILE], or: npm run demo -- --resume, or with --workers N',
    );
    expect(oneSentence(await demo(context, ['--colour'], rehearsal))).toMatch(/^Unknown option '--colour'\. Usage/);
  });

  test('tells a report that cannot be written in one sentence, after printing it', async (context) => {
    const folder = folderWith(small, context.onTestFinished);
    const ended = await demo(context, [folder, 'why', '--out', join(folder, 'README.md', 'x.md')], rehearsal);
    expect(ended.code).toBe(1);
    expect(oneSentence(ended)).toMatch(/^The report could not be written to .*x\.md/);
    expect(ended.stdout).toContain('# Review');
  });

  test('tells a key that is refused in one sentence, and not the key', async (context) => {
    const server = createServer((_request, response) => {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' },
        }),
      );
    });
    context.onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const ended = await demo(context, [folderWith(small, context.onTestFinished)], {
      OPENAI_BASE_URL: url,
      OPENAI_API_KEY: 'sk-dead0123456789abcdef',
    });
    expect(ended.code).toBe(1);
    const sentence = oneSentence(ended);
    expect(sentence).toMatch(/^The review failed \(model_error\): /);
    expect(sentence).toContain('Incorrect API key');
    expect(ended.stdout + ended.stderr).not.toContain('dead0123456789');
    expect(ended.stdout).toMatch(/^lead +✖ failed: model_error/m);
  });

  test('tells a server that is not there, and a URL that is none, in one sentence', async (context) => {
    const url = `http://127.0.0.1:${await free()}/v1`;
    const ended = await demo(context, [folderWith(small, context.onTestFinished)], { OPENAI_BASE_URL: url });
    expect(ended.code).toBe(1);
    expect(oneSentence(ended)).toMatch(/^The review failed .*cannot be reached/);
    expect(ended.stderr).toContain(url);
    const none = await demo(context, [folderWith(small, context.onTestFinished)], { OPENAI_BASE_URL: 'nowhere' });
    expect(none.code).toBe(1);
    expect(oneSentence(none)).toContain('"nowhere"');
  });

  test.skipIf(process.platform === 'win32').for([
    ['SIGINT', 130, 'Ctrl-C'],
    ['SIGTERM', 143, 'SIGTERM'],
  ] as const)('ends in order on %s (Windows has no signals to send)', async ([signal, code, reason], context) => {
    let sent = false;
    const ended = await demo(context, [folderWith(small, context.onTestFinished)], rehearsal, (stdout, kill) => {
      if (sent || !stdout.includes('turn 1: list_files, search_text')) return;
      sent = true;
      kill(signal);
    });
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(code);
    expect(ended.stdout).toContain(`■ lead was interrupted: ${reason}`);
    expect(ended.stdout).toMatch(/^lead +■ interrupted/m);
    expect(ended.stdout).toMatch(/interrupted: parent_interrupted/);
  });

  test.skipIf(process.platform === 'win32')(
    'killed in the middle, goes on with --resume and comes to its report [F-12] (Windows has no signals to send)',
    async (context) => {
      const store = join(folderWith({}, context.onTestFinished), 'runs.db');
      let sent = false;
      const killed = await demo(
        context,
        [folderWith(small, context.onTestFinished), '--store', store],
        rehearsal,
        (stdout, kill) => {
          if (sent || !stdout.includes('src turn 1')) return;
          sent = true;
          kill('SIGKILL');
        },
      );
      expect(killed.code).toBeNull();
      const ended = await demo(context, ['--resume', '--store', store], rehearsal);
      expect(ended.stderr).toBe('');
      expect(ended.code).toBe(0);
      expect(ended.stdout).toContain('Going on with the review of ');
      expect(ended.stdout).toMatch(/^lead +✔ completed/m);
      expect(ended.stdout).toMatch(/^together +4 runs/m);
      expect(ended.stdout).toContain('3 of 3 children answered in the agreed form.');
      // and then there is nothing left to go on with
      const again = await demo(context, ['--resume', '--store', store], rehearsal);
      expect(again.code).toBe(1);
      expect(oneSentence(again)).toBe(`There is no unfinished review in ${store}: start one without --resume.`);
    },
  );
});
