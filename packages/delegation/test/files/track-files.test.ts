import { readFileSync } from 'node:fs';
import { defineTool, spawned, type Tool, type ToolResult } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { createSubworkerTool, type FileRegistry, fileRegistry, trackFiles } from '../../src/index.ts';
import { calling, leadWith, open, runsOf, settle, shownTo, spawn } from '../delegating.ts';
import { folder, still } from './folder.ts';

type Folder = ReturnType<typeof folder>;

const readTool = (registry: FileRegistry, { path: at }: Folder): Tool =>
  trackFiles(
    defineTool({
      name: 'read',
      description: 'Reads a file.',
      inputSchema: z.object({ path: z.string(), lines: z.number().optional() }),
      execute: ({ path }) => readFileSync(at(path), 'utf8'),
    }),
    {
      registry,
      reads: ({ path, lines }: { path: string; lines?: number }) => ({ path: at(path), partial: lines !== undefined }),
    },
  );

const writeTool = (registry: FileRegistry, { put, path: at }: Folder, options: object = {}): Tool =>
  trackFiles(
    defineTool({
      name: 'write',
      description: 'Writes a file.',
      inputSchema: z.object({ path: z.string(), text: z.string() }),
      execute: ({ path, text }): unknown => {
        put(path, text);
        return 'written';
      },
      ...options,
    }),
    { registry, writes: ({ path }) => at(path) },
  );

const read = (path: string, more: object = {}) => ({ name: 'read', arguments: { path, ...more } });
const write = (path: string, text = 'mine') => ({ name: 'write', arguments: { path, text } });

/** What a run is shown of its calls, one turn for each call. */
const shownOf = async (tools: Tool[], ...calls: { name: string; arguments: unknown }[]) => {
  const troupe = open({ lead: [...calls.map((call) => calling(call)), 'Done.'] });
  const report = await troupe.runtime.run(leadWith(tools), 'Go.', { runId: 'root' });
  return { shown: shownTo(troupe), report };
};

describe('a tracked tool', () => {
  test('[HM-142] puts the warning in front of its result, which stays a success', async () => {
    const files = folder();
    files.put('a');
    const { shown, report } = await shownOf([writeTool(still(), files)], write('a'), write('a'), write('new'));
    expect(shown[0]).toBe(
      `Warning: ${files.path('a')} existed, and you never read it. Read it before you rely on what it holds.\n\nwritten`,
    );
    expect(shown.slice(1)).toEqual(['written', 'written']);
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
  });

  test('[HM-141] records what it read, and whether all of it', async () => {
    const files = folder();
    const registry = still();
    for (const name of ['a', 'b']) files.put(name);
    const tools = [readTool(registry, files), writeTool(registry, files)];
    const { shown } = await shownOf(tools, read('a'), write('a'), read('b', { lines: 1 }), write('b'));
    expect(shown[1]).toBe('written');
    expect(shown[3]).toMatch(/^Warning: you read only a part of .*\n\nwritten$/);
    expect(registry.readBy('root')).toEqual([files.path('a'), files.path('b')]);
    expect(registry.writtenBy('root')).toEqual([files.path('a'), files.path('b')]);
  });

  test('[HM-140] [HM-142] [B-50] tells a parent that its sub-worker wrote what it had read', async () => {
    const files = folder();
    const registry = still();
    files.put('a');
    const tools = [readTool(registry, files), writeTool(registry, files)];
    const troupe = open({
      lead: [calling(read('a')), calling(spawn({ tools: ['write'] })), calling(write('a', 'again')), 'Done.'],
      helper: [calling(write('a', 'theirs')), 'Written.'],
    });
    const lead = leadWith([...tools, createSubworkerTool({ availableTools: tools })]);
    await troupe.runtime.run(lead, 'Go.', { runId: 'root' });
    const [helper] = runsOf(troupe, 'helper');
    expect(shownTo(troupe, 'lead')[2]).toContain(`Warning: run "${helper}" wrote ${files.path('a')} after`);
    expect(shownTo(troupe, 'helper')[0]).toContain('you never read it');
    expect(registry.writtenBy(helper!)).toEqual([files.path('a')]);
  });

  test('[HM-141] records nothing of a call that failed, and puts the warning behind its error', async () => {
    const files = folder();
    const registry = still();
    files.put('a');
    const failing = (execute: () => unknown) => writeTool(registry, files, { execute });
    const gives = await shownOf([failing(() => ({ error: 'disk full', data: 7 }))], write('a'));
    expect(JSON.parse(gives.shown[0]!)).toEqual({
      error: expect.stringMatching(/^disk full Warning: .* you never read it/),
      data: 7,
    });
    const throws = failing(() => {
      throw new Error('disk gone');
    });
    const thrown = await shownOf([throws], write('a'), write('new'));
    expect(JSON.parse(thrown.shown[0]!).error).toMatch(/^disk gone Warning: /);
    expect(JSON.parse(thrown.shown[1]!)).toEqual({ error: 'disk gone' });
    const missing = await shownOf([readTool(registry, files)], read('nowhere'));
    expect(missing.report.calls[0]?.status).toBe('error');
    expect([registry.knownReads('root'), registry.writtenBy('root')]).toEqual([[], []]);
  });

  test('[HM-142] checks its output before the warning, so that no warning makes a success an error', async () => {
    const files = folder();
    files.put('a');
    const registry = still();
    const strict = writeTool(registry, files, {
      outputSchema: z.enum(['written']).transform((word) => word.length),
    });
    const { shown, report } = await shownOf([strict], write('a'), write('a'));
    expect(shown[0]).toMatch(/^Warning: .*\n\n7$/);
    expect(shown[1]).toBe('7');
    expect(report.calls[0]).toMatchObject({ status: 'ok', data: 7 });
    const wrong = writeTool(registry, files, { outputSchema: z.enum(['other']) });
    expect((await shownOf([wrong], write('b'))).shown[0]).toContain('does not fit its schema');
    expect(registry.writtenBy('root')).toEqual([files.path('a')]);
  });

  test.each<[string, () => unknown, string | RegExp]>([
    ['nothing', () => undefined, /rely on what it holds\.$/],
    ['data', () => ({ bytes: 4 }), /holds\.\n\n\{"bytes":4\}$/],
    ['text and data', (): ToolResult => ({ content: 'ok', data: 1 }), /holds\.\n\nok\n\n1$/],
  ])('[HM-142] warns in front of %s', async (_what, execute, expected) => {
    const files = folder();
    files.put('a');
    const { shown } = await shownOf([writeTool(still(), files, { execute })], write('a'));
    expect(shown[0]).toMatch(expected);
  });

  test('[HM-143] works on one file at a time, and on different files side by side', async () => {
    const files = folder();
    const [log, ends] = [[] as string[], [] as (() => void)[]];
    const slow = writeTool(still(), files, {
      execute: async ({ path, text }: { path: string; text: string }) => {
        log.push(`${text} begins`);
        await new Promise<void>((resolve) => ends.push(resolve));
        files.put(path, text);
        log.push(`${text} ends`);
      },
    });
    const { runtime } = open({ lead: [calling(write('a', '1'), write('a', '2'), write('b', '3')), 'Done.'] });
    const report = runtime.run(leadWith([slow]), 'Go.');
    await settle();
    expect(log).toEqual(['1 begins', '3 begins']);
    for (let i = 0; i < 3; i++) {
      ends[i]?.();
      await settle();
    }
    expect(log).toEqual(['1 begins', '3 begins', '1 ends', '2 begins', '3 ends', '2 ends']);
    expect((await report).status).toBe('completed');
  });

  test('[HM-143] gives up waiting when its run is interrupted', async () => {
    const files = folder();
    const registry = still();
    let wrote = 0;
    const tool = writeTool(registry, files, { execute: () => ++wrote });
    let end = () => {};
    const outside = registry.withLock(files.path('a'), () => new Promise<void>((resolve) => (end = resolve)));
    const run = open({ lead: [calling(write('a')), 'Done.'] }).runtime.start(leadWith([tool]), 'Go.');
    await settle();
    await run.interrupt();
    expect((await run.report).status).toBe('interrupted');
    end();
    await outside;
    await settle();
    expect(wrote).toBe(0);
  });

  test('[HM-143] that hangs and is given up keeps its file from others, who are told so in place of waiting', async () => {
    const files = folder();
    const clock = new SimulatedClock();
    const registry = fileRegistry({ clock });
    let wrote = 0;
    const hangs = writeTool(registry, files, {
      timeoutMs: 1_000,
      execute: () => {
        wrote += 1;
        return new Promise(() => {});
      },
    });
    const script = [calling(write('a')), calling(write('./a')), calling(write('b')), 'Done.'];
    const troupe = open({ lead: script }, { clock });
    const running = troupe.runtime.run(leadWith([hangs]), 'Go.', { runId: 'root' });
    for (const ms of [1_000, 1_000, 1_000, 5_000, 1_000]) {
      await settle();
      clock.increment(ms);
    }
    const report = await running;
    expect(report.calls.map(({ status }) => status)).toEqual(['error', 'error', 'error']);
    expect(wrote).toBe(2);
    const again = open({ lead: [calling(write('a')), 'Done.'] }, { clock });
    const { calls } = await again.runtime.run(leadWith([hangs]), 'Go.', { runId: 'other' });
    expect(calls[0]).toMatchObject({ status: 'error' });
    expect(calls[0]?.result).toContain(`run \\"root\\" began to write it, and was ended before that was done.`);
    expect(wrote).toBe(2);
  });

  test('[HM-141] keeps everything else of the tool, and what it starts', async () => {
    const files = folder();
    const registry = still();
    const whole = defineTool({
      name: 'write',
      description: 'Writes.',
      inputSchema: z.object({ path: z.string() }),
      confirm: true,
      timeoutMs: 5,
      retries: 2,
      idempotent: true,
      before: [{ run: () => {} }],
      execute: () => '',
    });
    const { execute: _before, ...kept } = whole;
    expect(trackFiles(whole, { registry, writes: ({ path }) => [path] })).toMatchObject(kept);

    const helper = leadWith([], { name: 'helper' });
    const starting = writeTool(registry, files, {
      execute: () => spawned([{ agent: helper, job: 'Help.' }]),
      settle: () => ({ content: 'settled' }),
    });
    const troupe = open({ lead: [calling(write('a')), 'Done.'], helper: ['Helped.'] });
    const report = await troupe.runtime.run(leadWith([starting]), 'Go.');
    expect(report.children).toHaveLength(1);
    expect(registry.writtenBy(report.runId)).toEqual([]);
  });

  test('[HM-142] counts a read from when the call began: what was written while it went on is news', async () => {
    const files = folder();
    const registry = still();
    const path = files.put('a');
    const look = defineTool({
      name: 'read',
      description: '',
      inputSchema: z.object({}),
      execute: () => {
        files.put('a', 'theirs');
        registry.noteWrite('other', path);
        return 'what it was before';
      },
    });
    await shownOf([trackFiles(look, { registry, reads: () => path })], read(''));
    expect(registry.checkStale('root', path)).toContain('run "other" wrote');
  });

  test('[HM-141] reads several files in one call', async () => {
    const files = folder();
    const registry = still();
    const paths = [files.put('a'), files.put('b')] as const;
    const look = defineTool({ name: 'read', description: '', inputSchema: z.object({}), execute: () => 'both' });
    const reads = () => [paths[0], { path: paths[1], partial: true }];
    await shownOf([trackFiles(look, { registry, reads })], read(''));
    expect(paths.map((path) => registry.checkStale('root', path))).toEqual([
      undefined,
      expect.stringContaining('only a part'),
    ]);
  });

  test('[HM-143] is the tool itself where the registry is switched off, and is not tracked twice', () => {
    const plain = defineTool({ name: 'write', description: '', inputSchema: z.object({}), execute: () => '' });
    expect(trackFiles(plain, { registry: still({ enabled: false }) })).toBe(plain);
    expect(() => trackFiles(trackFiles(plain, {}), {})).toThrow('Tool "write" is tracked already.');
  });
});
