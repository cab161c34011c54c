import { Console } from 'node:console';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { Subject } from 'rxjs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type { Control } from '../../src/screen/control.ts';
import { showLiveTree } from '../../src/screen/live-tree.ts';
import { textWidth } from '../../src/text-width.ts';
import { journal } from '../events.ts';
import { keys } from '../pseudo-terminal.ts';
import { openTerminal } from './in-process.ts';

// The console of the test runner lacks what ink asks every console for.
beforeAll(() => void Object.assign(console, { Console }));
afterAll(() => void Reflect.deleteProperty(console, 'Console'));

const show = (
  size: Parameters<typeof openTerminal>[0] = {},
  environment = { NO_COLOR: '1' } as Record<string, string>,
  control?: Control,
) => {
  const terminal = openTerminal(size);
  const events$ = new Subject<RunEvent>();
  const view = showLiveTree(events$, {
    ...terminal.streams,
    environment,
    ...(control && { control }),
    clock: { now: () => 1_000_000 },
  });
  onTestFinished(async () => {
    view.close();
    await view.done;
  });
  const until = (what: RegExp) => vi.waitFor(() => expect(terminal.text()).toMatch(what), 10_000);
  return { ...terminal, events$, view, until };
};

const tell = (events$: Subject<RunEvent>, ...names: string[]) => {
  const log = journal();
  log.start('run_1', 'lead', 10);
  for (const [n, name] of names.entries()) log.start(`run_1/1-${n}/0`, name);
  for (const event of log.events) events$.next(event);
  return log;
};

/** A run that asks, and what keys may do to it. */
const asking = async (stop: () => void) => {
  const deploy = defineTool({
    name: 'deploy',
    description: '',
    inputSchema: z.object({}),
    confirm: true,
    prompt: 'May I?',
    execute: () => 'deployed',
  });
  const provider = scriptedProvider([{ calls: [{ name: 'deploy', arguments: {} }] }, 'Done.']);
  const runtime = createRuntime({ provider, model: 'm' });
  onTestFinished(() => runtime.close());
  const run = runtime.start(defineAgent({ name: 'clerk', instructions: '', tools: [deploy] }), 'go');
  const terminal = openTerminal();
  const view = showLiveTree(run.events$, {
    ...terminal.streams,
    environment: {},
    control: { runtime, stop },
  });
  const until = (what: RegExp) => vi.waitFor(() => expect(terminal.text()).toMatch(what), 10_000);
  return { ...terminal, run, view, until };
};

describe('the tree on a terminal', { timeout: 20_000 }, () => {
  test('is drawn in place, with what is said above it, and stays when it is closed', async () => {
    const { events$, view, until, text, raw, modes } = show();
    view.say('Before.');
    const log = tell(events$, 'part 0');
    await until(/^Before\.\n\S lead .*\n {2}\S part 0 .*\n2 runs/m);
    view.say('Meanwhile.');
    await until(/^Before\.\nMeanwhile\.\n\S lead /m);
    log.complete('run_1/1-0/0', 'part 0');
    log.complete('run_1', 'lead');
    for (const event of log.events.slice(-2)) events$.next(event);
    events$.complete();
    await view.done;
    expect(text()).toMatch(/^✔ lead +completed .*\n {2}✔ part 0 +completed .*\n2 runs {2}.*$/m);
    expect(raw().lastIndexOf('\u001b[?25h')).toBeGreaterThan(raw().lastIndexOf('\u001b[?25l'));
    expect(modes).toEqual([]);
  });

  test('has names of any letters, each row within the window, which may become another', async () => {
    const { events$, until, text, resize } = show({ columns: 60, rows: 12 });
    tell(
      events$,
      '審査 とても長い名前の仕事を一つずつ',
      'emoji 🚀 👍 ok',
      'one that is longer than half of the window, and more',
    );
    await until(/審査/);
    for (const columns of [20, 100, 33]) {
      resize(columns, 12);
      await vi.waitFor(() => {
        const lines = text().split('\n').slice(-5);
        expect(lines).toHaveLength(5);
        for (const line of lines) expect(textWidth(line)).toBeLessThan(columns);
        expect(lines.at(-1)).toMatch(/^4 runs/);
        expect(textWidth(lines[0] ?? '')).toBeGreaterThan(columns < 40 ? columns - 16 : 30);
      }, 5_000);
    }
  });

  test.each([
    [{}, true],
    [{ NO_COLOR: '1' }, false],
    [{ NO_COLOR: '' }, true],
  ])('has colours unless it is told not to: %j', async (environment, isColourful) => {
    const { events$, until, raw } = show({}, environment);
    tell(events$);
    await until(/lead/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are colours
    expect(/\u001b\[36m/.test(raw())).toBe(isColourful);
  });

  test('of 5,000 runs ends with all of them, and counts those that have no room before', async () => {
    const { events$, view, until, raw } = show({ rows: 10 });
    tell(events$, ...Array.from({ length: 5_000 }, (_, n) => `part ${n}`));
    await until(/… 4994 more runs\n5001 runs/);
    events$.complete();
    await view.done;
    expect(
      raw()
        .match(/part \d+/g)
        ?.at(-1),
    ).toBe('part 4999');
    expect(raw()).toMatch(/\n5001 runs [^\n]*\n/);
  });

  test('goes on with nothing when its window is gone', async () => {
    const { events$, view, output } = show();
    tell(events$);
    output.emit('error', new Error('EIO'));
    events$.complete();
    await expect(view.done).resolves.toBeUndefined();
  });

  test('that is closed before it was drawn is there all the same', async () => {
    const { events$, view, until } = show();
    tell(events$, 'part 0');
    view.say('Before.');
    view.close();
    await view.done;
    await until(/^Before\.\n\S lead .*\n {2}\S part 0 .*\n2 runs/);
  });

  test('takes keys: an answer, what is pasted, and Ctrl-C', async () => {
    const stop = vi.fn<() => void>();
    const { run, view, type, until, text, raw, modes } = await asking(stop);
    await until(/May I\? \(yes, no\)[\s\S]*› ▏/);
    // terminals frame what is pasted when they are asked to
    expect(raw()).toContain('\u001b[?2004h');
    type('\u001b[200~no\r\nand\tno\u001b[201~');
    await until(/› no and no▏/);
    expect(run.status).toBe('paused');
    for (let n = 0; n < 8; n++) type(keys.backspace);
    await until(/› n▏/);
    type(keys.backspace);
    type(keys.escape);
    await vi.waitFor(() => expect(text()).not.toContain('›'));
    type(keys.ctrlC);
    await vi.waitFor(() => expect(stop).toHaveBeenCalledOnce());
    // nothing that is pasted is a command, nor are keys that mean nothing
    type('\u001b[200~iy\u001b[201~');
    for (const key of ['\t', '\u001b[5~', '\u0001', keys.up, keys.down]) type(key);
    type('a');
    await until(/› ▏/);
    type('yes\r');
    expect((await run.ended).text).toBe('Done.');
    await view.done;
    expect(text()).toMatch(/^✔ clerk +completed/m);
    expect([modes.at(0), modes.at(-1)]).toEqual([true, false]);
  });
});
