import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join, relative } from 'node:path';
import { systemClock } from '@troupe/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fileRegistry, processFiles } from '../../src/index.ts';
import { folder, still } from './folder.ts';

const me = 'root';
const sibling = 'root/1-0/0';

describe('a stale check', () => {
  test('[HM-142] says that another run wrote the file after I read it, and names that run', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    files.recordRead(me, path);
    put('a', 'theirs');
    files.noteWrite(sibling, path);
    expect(files.checkStale(me, path)).toContain(`run "${sibling}" wrote ${path} after you last read it`);
  });

  test('[HM-142] says that another run wrote the file and I never read it', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    files.noteWrite(sibling, path);
    expect(files.checkStale(me, path)).toContain(`run "${sibling}" wrote ${path}, and you never read it`);
  });

  test('[HM-142] says that the file changed on disk, by its time, by its size, or by its being gone', () => {
    const { put } = folder();
    const files = still();
    const path = put('a', 'four');
    files.recordRead(me, path);
    utimesSync(path, 77, 77);
    expect(files.checkStale(me, path)).toContain(`${path} changed on disk after you last read it`);
    files.recordRead(me, path);
    put('a', 'longer');
    utimesSync(path, 77, 77);
    expect(files.checkStale(me, path)).toContain('changed on disk');
    rmSync(path);
    expect(files.checkStale(me, path)).toContain('was deleted');
  });

  test('[HM-142] says that I read only a part, until I read it all', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    files.recordRead(me, path, { partial: true });
    expect(files.checkStale(me, path)).toContain(`you read only a part of ${path}`);
    files.recordRead(me, path);
    expect(files.checkStale(me, path)).toBeUndefined();
  });

  test('[HM-142] takes a part of a file that I read whole, and that is still the same, for the whole', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    files.recordRead(me, path);
    files.recordRead(me, path, { partial: true });
    expect(files.checkStale(me, path)).toBeUndefined();
    put('a', 'changed');
    files.recordRead(me, path, { partial: true });
    expect(files.checkStale(me, path)).toContain('only a part');
    // and a write of another run that left no trace on disk is a change too
    files.recordRead(me, path);
    files.noteWrite(sibling, path);
    files.recordRead(me, path, { partial: true });
    expect(files.checkStale(me, path)).toContain('only a part');
  });

  test('[HM-142] says that I never read a file that is there, and nothing of a new one', () => {
    const { put, path } = folder();
    const files = still();
    expect(files.checkStale(me, put('a'))).toContain('existed, and you never read it');
    expect(files.checkStale(me, path('new'))).toBeUndefined();
    expect(files.checkStale(me, path('no/such/folder/new'))).toBeUndefined();
  });

  test('[HM-142] [HM-141] says nothing after my own write, which counts as a read of all of it', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    files.recordRead(me, path, { partial: true });
    put('a', 'mine');
    files.noteWrite(me, path);
    expect(files.checkStale(me, path)).toBeUndefined();
    expect(files.checkStale(sibling, path)).toContain(`run "${me}" wrote`);
  });

  test('[HM-142] gives the first reason of several', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    files.recordRead(me, path, { partial: true });
    put('a', 'theirs');
    files.noteWrite(sibling, path);
    put('a', 'somebody else');
    expect(files.checkStale(me, path)).toContain(`run "${sibling}" wrote`);
    files.recordRead(me, path, { partial: true });
    put('a', 'again');
    expect(files.checkStale(me, path)).toContain('changed on disk');
  });

  test('[HM-142] counts a read from its beginning: what was written while it went on is news', () => {
    const { put } = folder();
    const files = still();
    const path = put('a');
    const seen = files.look(path);
    put('a', 'theirs');
    files.noteWrite(sibling, path);
    files.recordRead(me, path, { seen });
    expect(files.checkStale(me, path)).toContain(`run "${sibling}" wrote`);
    // and a read that began before my own write takes nothing of it back
    const early = files.look(path);
    put('a', 'mine');
    files.noteWrite(me, path);
    files.recordRead(me, path, { seen: early, partial: true });
    expect(files.checkStale(me, path)).toBeUndefined();
  });

  test('[HM-141] knows a file by any of its names, also before it is there', () => {
    const { root, put, path } = folder();
    const files = still();
    const real = put('deep/a');
    symlinkSync(join(root, 'deep'), path('link'));
    const names = [real, path('deep/../deep/./a'), path('link/a'), relative(process.cwd(), real)];
    for (const [i, name] of names.entries()) {
      files.recordRead(`r${i}`, name);
      expect(files.knownReads(`r${i}`)).toEqual([real]);
    }
    files.noteWrite(me, path('link/new'));
    put('deep/new');
    expect(files.writtenBy(me)).toEqual([path('deep/new')]);
    expect(files.checkStale(sibling, path('deep/new'))).toContain(`run "${me}" wrote`);
  });

  test.skipIf(process.platform === 'win32')(
    '[HM-141] a file is where the system finds it: what is above a link is above what it leads to',
    () => {
      const { root, put, path } = folder();
      const files = still();
      put('deep/down/a');
      const [far, near] = [put('deep/b', 'far'), put('b', 'near')];
      symlinkSync(join(root, 'deep/down'), path('link'));
      const above = `${root}/link/../b`;
      expect(readFileSync(above, 'utf8')).toBe('far');
      files.recordRead(me, above);
      expect(files.knownReads(me)).toEqual([far]);
      files.noteWrite(sibling, near);
      expect(files.checkStale(me, above)).toBeUndefined();
      files.noteWrite(sibling, `${relative(process.cwd(), root)}/link/../b`);
      expect(files.checkStale(me, far)).toContain(`run "${sibling}" wrote`);
      // also where the file is not there yet
      files.noteWrite('other', `${root}/link/.././new`);
      expect(files.writtenBy('other')).toEqual([path('deep/new')]);
      expect(files.look('').path).toBe(process.cwd());
    },
  );

  test('[HM-142] says what a naive history says, after any reads, writes and outside changes', () => {
    const { put, path } = folder();
    const runs = ['a', 'a/1-0/0', 'b'] as const;
    const step = fc.record({
      what: fc.constantFrom('read' as const, 'part' as const, 'write' as const, 'outside' as const, 'remove' as const),
      run: fc.constantFrom(...runs),
      file: fc.constantFrom('x', 'y'),
    });
    type Past = { what: 'read' | 'part' | 'write'; run: string; version: number };

    let world = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        world += 1;
        const files = still();
        const past = new Map<string, Past[]>();
        const disk = new Map<string, { version: number; there: boolean }>();
        const expected = (run: string, file: string): string | undefined => {
          const events = past.get(file) ?? [];
          const { version, there } = disk.get(file) ?? { version: 0, there: false };
          const mine = events.findLastIndex((event) => event.run === run);
          const write = events.findLastIndex(({ what }) => what === 'write');
          const writer = events[write]?.run;
          if (mine < 0 && !there) return undefined;
          if (writer !== undefined && writer !== run && write > mine)
            return mine < 0 ? `"${writer}" wrote, never` : `"${writer}" wrote, after`;
          if (mine < 0) return 'existed';
          if (events[mine]!.version !== version) return there ? 'changed' : 'deleted';
          const whole = events.some((e) => e.run === run && e.version === version && e.what !== 'part');
          return whole ? undefined : 'part';
        };
        const said = (run: string, file: string): string | undefined => {
          const text = files.checkStale(run, path(`${world}/${file}`));
          if (text === undefined) return undefined;
          const writer = /run ("[^"]+") wrote/.exec(text)?.[1];
          if (writer) return `${writer} wrote, ${text.includes('never read it') ? 'never' : 'after'}`;
          return ['existed', 'changed', 'deleted', 'part'].find((word) => text.includes(word));
        };
        for (const { what, run, file } of steps) {
          const now = disk.get(file) ?? { version: 0, there: false };
          const name = `${world}/${file}`;
          const log = past.get(file) ?? [];
          past.set(file, log);
          if (what === 'read' || what === 'part') {
            if (!now.there) continue;
            files.recordRead(run, path(name), { partial: what === 'part' });
            log.push({ what, run, version: now.version });
          } else if (what === 'remove') {
            if (!now.there) continue;
            rmSync(path(name));
            disk.set(file, { version: now.version + 1, there: false });
          } else {
            put(name);
            disk.set(file, { version: now.version + 1, there: true });
            if (what === 'write') {
              files.noteWrite(run, path(name));
              log.push({ what, run, version: now.version + 1 });
            }
          }
          for (const who of runs) expect(said(who, file)).toBe(expected(who, file));
        }
      }),
    );
  });
});

describe('a registry', () => {
  test('[HM-141] tells the writes of others since a moment, to some paths or to any', () => {
    const { put } = folder();
    const files = still();
    const [a, b] = [put('a'), put('b')];
    files.noteWrite(sibling, a);
    const since = files.now();
    files.noteWrite(sibling, b);
    files.noteWrite(me, b);
    files.noteWrite('other', a);
    const told = (paths?: string[]) => files.writesSince(me, since, paths).map(({ runId, path }) => [runId, path]);
    expect(told()).toEqual([
      [sibling, b],
      ['other', a],
    ]);
    expect(told([b, b])).toEqual([[sibling, b]]);
    expect(files.writesSince(me, 0, [a]).map(({ runId }) => runId)).toEqual([sibling, 'other']);
    expect(told([])).toEqual([]);
    expect(files.writesSince('nobody', 2_000)).toEqual([]);
  });

  test('[B-50] tells what a run and the runs below it have read and written, and of nobody else', () => {
    const { put } = folder();
    const files = still();
    const [a, b, c] = [put('a'), put('b'), put('c')];
    files.recordRead(sibling, b);
    files.recordRead(`${sibling}/1-0/0`, a);
    files.noteWrite(sibling, c);
    files.noteWrite(`${sibling}/1-0/0`, b);
    files.noteWrite(`${sibling}0`, a);
    expect(files.writtenBy(sibling)).toEqual([c, b]);
    expect(files.readBy(sibling)).toEqual([b, a]);
    expect(files.knownReads(sibling)).toEqual([b, c]);
    expect(files.writtenBy('root')).toEqual([c, b, a]);
    expect(files.writtenBy('nobody')).toEqual([]);
    // what was read stays read when it is written
    files.noteWrite(sibling, b);
    expect(files.readBy(sibling)).toEqual([a, b]);
  });

  test('[HM-141] keeps moments apart though its clock stands still, or goes back', () => {
    let ms = Date.UTC(2038, 0, 1);
    const files = fileRegistry({ clock: { ...systemClock, now: () => ms-- } });
    const moments = Array.from({ length: 100 }, () => files.now());
    expect(moments).toEqual([...new Set(moments)].toSorted((a, b) => a - b));
    expect(moments.at(-1)! - moments[0]!).toBeLessThan(1);
  });

  test('[HM-143] remembers at most so many reads and so many writes, and forgets the oldest first', () => {
    const { put } = folder();
    const files = still({ maxEntries: 3 });
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => put(name)) as [string, string, string, string];
    for (const path of [a, b, c]) files.recordRead(me, path);
    files.recordRead(me, a);
    files.recordRead(sibling, d);
    expect(files.knownReads(me)).toEqual([c, a]);
    for (const path of [a, b, c]) files.noteWrite('w', path);
    files.noteWrite('w', a);
    files.noteWrite('v', a);
    files.noteWrite('v', d);
    expect(files.writtenBy('w')).toEqual([a]);
    expect(files.writesSince(me, 0, [b, c])).toEqual([]);
    expect(files.checkStale('late', b)).toContain('existed');
    expect(files.checkStale('late', a)).toContain('run "v" wrote');
  });

  test('[HM-143] never remembers more than it may, and always what came last', () => {
    const pair = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('/x', '/y', '/z'));
    const disk = { resolve: (path: string) => path, stat: () => undefined };
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (pairs, maxEntries) => {
        const files = still({ maxEntries, disk });
        for (const [run, path] of pairs) files.noteWrite(run, path);
        const last = pairs.filter(([run, path], i) => !pairs.slice(i + 1).some(([r, p]) => r === run && p === path));
        const found = files.writesSince('nobody', 0).map(({ runId, path }) => [runId, path]);
        expect(found).toEqual(last.slice(-maxEntries));
        expect(files.writesSince('nobody', 0, ['/x', '/y', '/z'])).toEqual(files.writesSince('nobody', 0));
      }),
    );
  });

  test('[HM-143] that is switched off remembers nothing, warns of nothing and makes nobody wait', async () => {
    const { put } = folder();
    const files = still({ enabled: false });
    const path = put('a');
    files.recordRead(me, path);
    files.noteWrite(sibling, path);
    expect([files.knownReads(me), files.writtenBy(sibling), files.checkStale('c', path)]).toEqual([[], [], undefined]);
    const inner = files.withLock(path, () => files.withLock(path, () => 'both at once'));
    expect(await inner).toBe('both at once');
  });

  test('[HM-143] takes a clock that only tells the time: what two write waits all the same, aborted or not', async () => {
    const files = fileRegistry({ clock: { now: () => 1_000 } });
    const { path } = folder();
    const [abort, gate] = [new AbortController(), Promise.withResolvers<string>()];
    const first = files.withLock(path('a'), () => gate.promise, { signal: abort.signal });
    const second = files.withLock(path('a'), () => 'second');
    await Promise.resolve();
    abort.abort();
    gate.resolve('first');
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });

  test('[HM-143] is refused a maximum that is none', () => {
    expect(() => fileRegistry({ maxEntries: 0 })).toThrow('maxEntries must be >= 1, and a whole number. Found 0.');
    expect(() => fileRegistry({ maxEntries: 1.5 })).toThrow(expect.objectContaining({ code: 'files.invalid' }));
  });

  test('[HM-141] is there for every process, and takes part without being asked', () => {
    const { root, put } = folder();
    const path = put('a');
    const moment = processFiles.now();
    processFiles.noteWrite(`${root}/1-0/0`, path);
    expect(processFiles.writesSince(root, moment).map((write) => write.path)).toEqual([path]);
    expect(processFiles.readAt(`${root}/1-0/0`, path)).toBeGreaterThan(moment);
  });

  test('[HM-141] follows a file that was moved by its new name only', () => {
    const { put, path } = folder();
    const files = still();
    files.recordRead(me, put('a'));
    mkdirSync(path('b'));
    renameSync(path('a'), path('b/a'));
    expect(files.checkStale(me, path('b/a'))).toContain('you never read it');
    expect(files.checkStale(me, path('a'))).toContain('was deleted');
  });
});
