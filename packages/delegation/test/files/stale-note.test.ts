import { describe, expect, test } from 'vitest';
import { staleNoteFor } from '../../src/index.ts';
import { folder, still } from './folder.ts';

const parent = 'root';
const child = 'root/1-0/0';

/** A parent that has read these files, and its child, which begins now. */
const begin = (...names: string[]) => {
  const { put, path } = folder();
  const files = still();
  for (const name of names) files.recordRead(parent, put(name));
  const about = {
    parentRunId: parent,
    childRunId: child,
    readBefore: files.knownReads(parent),
    since: files.now(),
  };
  const write = (run: string, name: string) => files.noteWrite(run, put(name, `by ${run}`));
  return { files, path, write, note: () => staleNoteFor(files, about), about };
};

describe('the note to a parent', () => {
  test('[HM-140] names what its child, or a run below that, wrote of what it had read', () => {
    const { write, note, path } = begin('a', 'b', 'c');
    write(child, 'c');
    write(`${child}/1-0/0`, 'a');
    expect(note()).toEqual({
      note: `subagent modified files the parent previously read — re-read before editing: ${path('a')}, ${path('c')}`,
      paths: [path('a'), path('c')],
    });
  });

  test('[HM-140] says nothing of new files, of other runs, and of what was written before', () => {
    const { files, write, note, about } = begin('a', 'b');
    write(child, 'new');
    write('root/1-1/0', 'a');
    write(parent, 'b');
    expect(note()).toBeUndefined();
    write(child, 'a');
    expect(staleNoteFor(files, { ...about, since: files.now() })).toBeUndefined();
  });

  test('[HM-140] says nothing of what the parent has read again, or written itself, since', () => {
    const { files, write, note, path } = begin('a', 'b', 'c');
    for (const name of ['a', 'b', 'c']) write(child, name);
    files.recordRead(parent, path('a'));
    write(parent, 'b');
    expect(note()?.paths).toEqual([path('c')]);
  });

  test('[HM-140] names at most 8 paths, counts the rest, and gives them all as a list', () => {
    const names = Array.from({ length: 10 }, (_, i) => `file-${i}`);
    const { write, note, path } = begin(...names);
    for (const name of names.slice(0, 8)) write(child, name);
    expect(note()?.note).toMatch(/file-7$/);
    for (const name of names.slice(8)) write(child, name);
    expect(note()?.note).toMatch(/file-7 \(\+2 more\)$/);
    expect(note()?.paths).toEqual(names.map(path));
  });

  test('[HM-140] is none where the registry knows nothing, as after a restart', () => {
    const { write, about } = begin('a');
    write(child, 'a');
    expect(staleNoteFor(still(), about)).toBeUndefined();
  });
});
