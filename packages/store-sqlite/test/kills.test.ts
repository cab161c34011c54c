import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { startChild } from './children.ts';
import { freshPath, openAt } from './files.ts';

type Acknowledged = { runId: string; seq: number };

/** Opens the file as the next process would, and checks what the killed one left behind. */
const checkLeft = async (path: string, durability: 'full' | 'normal', acknowledged: readonly Acknowledged[]) => {
  const store = openAt({ path, durability });
  for (const { runId, seq } of acknowledged) {
    const seqs = [...(store.events({ runId }) as Iterable<{ seq: number }>)].map((event) => event.seq);
    expect(seqs.length).toBeGreaterThanOrEqual(seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    expect(store.checkpoint(runId)).toEqual({ seq: seqs.length });
  }
  const rootSeqs: number[] = [];
  for await (const { rootSeq } of store.events({ rootId: 'tree' })) rootSeqs.push(rootSeq);
  expect(rootSeqs).toEqual(rootSeqs.map((_, i) => i + 1));
  await store.close();
  const db = new DatabaseSync(path, { readOnly: true });
  expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
  db.close();
  return rootSeqs.length;
};

describe.each(['full', 'normal'] as const)('with durability %s', (durability) => {
  test('everything that was acknowledged is there when the process is killed, again and again', {
    timeout: 60_000,
  }, async () => {
    const path = freshPath();
    const last = new Map<string, Acknowledged>();
    let stored = 0;
    for (const lines of [1, 40, 200, 7, 400]) {
      const child = startChild(path, 'write', { durability });
      await child.says(lines);
      await child.kill();
      for (const each of child.said as Acknowledged[]) last.set(each.runId, each);
      const found = await checkLeft(path, durability, [...last.values()]);
      expect(found).toBeGreaterThanOrEqual(stored + child.said.length);
      stored = found;
    }
  });
});
