import { DatabaseSync } from 'node:sqlite';
import { unfinished } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { lastStepOf, stepOf } from '../../../test/support/steps.ts';
import { migrate, migrations, versionOf } from '../src/file/schema.ts';
import { readMail } from '../src/reader/read-mail.ts';
import { readRuns } from '../src/reader/read-runs.ts';
import type { Reader } from '../src/reader/statements.ts';
import { ownIdentity } from '../src/writer/process-identity.ts';
import { openFresh, pathOfStore } from './files.ts';

describe('tables', () => {
  test('are brought up to date by every step that a file has not had, once', () => {
    const db = new DatabaseSync(':memory:');
    expect(versionOf(db)).toBe(0);
    migrate(db);
    expect(versionOf(db)).toBe(migrations.length);
    const steps = [...migrations, 'CREATE TABLE later (x)', 'INSERT INTO later VALUES (1)'];
    for (const _ of [1, 2]) {
      migrate(db, steps);
      expect(versionOf(db)).toBe(steps.length);
      expect(db.prepare('SELECT x FROM later').all()).toEqual([{ x: 1 }]);
    }
    // a newer file is never taken back
    migrate(db);
    expect(versionOf(db)).toBe(steps.length);
    db.close();
  });

  test('stay as they were when a step fails', () => {
    const db = new DatabaseSync(':memory:');
    migrate(db);
    expect(() => migrate(db, [...migrations, 'CREATE TABLE later (x)', 'CREATE nonsense'])).toThrow('syntax error');
    expect(versionOf(db)).toBe(migrations.length);
    expect(db.prepare(`SELECT name FROM sqlite_schema WHERE name = 'later'`).all()).toEqual([]);
    db.close();
  });

  test('keep a tree together whose root was only named', async () => {
    // given a run whose root has not been written, and a claim on that root by an owner that is gone
    const store = openFresh();
    await store.claim('root', 'gone', { leaseMs: 1_000 });
    await store.release('gone');
    await store.commit([stepOf({ runId: 'child', rootId: 'root' }), stepOf({ runId: 'other', rootId: 'unclaimed' })]);
    // when claims are tidied up, and other runs are written
    await store.prune({ olderThan: 0, keep: 0 });
    await store.commit([lastStepOf({ runId: 'next' })]);
    await store.commit([stepOf({ runId: 'unclaimed' })]);
    // then nothing has come to their trees that is not theirs
    const idsOf = async (rootId: string): Promise<string[]> => {
      const ids: string[] = [];
      for await (const { id } of store.events({ rootId })) ids.push(id);
      return ids;
    };
    expect(await Promise.all(['root', 'unclaimed', 'next'].map(idsOf))).toEqual([
      ['child:1'],
      ['other:1', 'unclaimed:1'],
      ['next:1'],
    ]);
    expect(store.list({ rootId: 'root' })).toMatchObject([{ runId: 'child' }]);
    // and when such a tree is forgotten, nothing of it stays
    await store.commit([lastStepOf({ runId: 'child', rootId: 'root', expectedSeq: 1 }, 5)]);
    expect(await store.prune({ olderThan: 10, keep: 0 })).toBe(2);
    await store.close();
    const db = new DatabaseSync(pathOfStore(store), { readOnly: true });
    expect(db.prepare('SELECT run_id FROM claims ORDER BY run_id').all()).toEqual([
      { run_id: 'other' },
      { run_id: 'unclaimed' },
    ]);
    db.close();
  });

  test('list nothing before a run that was claimed, and never written', async () => {
    const store = openFresh();
    await store.commit([stepOf({ runId: 'a' }), stepOf({ runId: 'kid', rootId: 'a' })]);
    await store.claim('claimed', 'owner', { leaseMs: 1_000 });
    expect(store.list({ before: 'claimed' })).toEqual([]);
    expect(store.list({ before: 'kid' })).toMatchObject([{ runId: 'a' }]);
    await store.close();
  });

  test('let no question about mail, units or what is unfinished look at everything that is stored', () => {
    const db = new DatabaseSync(':memory:');
    migrate(db);
    const plans: string[] = [];
    const reader: Reader = {
      read(sql, work) {
        plans.push(
          ...db
            .prepare(`EXPLAIN QUERY PLAN ${sql}`)
            .all()
            .map(({ detail }) => String(detail)),
        );
        return work(db.prepare(sql));
      },
    };
    const mail = readMail(reader);
    mail.inbox('owner');
    mail.sessionInbox('k');
    mail.sessionInbox();
    mail.receipt('a');
    const runs = readRuns(reader, ownIdentity());
    runs.list({ unitsOf: 'k' });
    runs.list({ unitsOf: 'k', status: 'running', before: 'r' });
    const before = plans.length;
    runs.list({ sentTo: 'k', limit: 1 });
    runs.list({ sentTo: 'k', status: unfinished });
    expect(plans.slice(before).filter((plan) => /^(SEARCH runs|USE TEMP)/.test(plan))).toEqual([
      'SEARCH runs USING INDEX runs_by_session (sent_to=?)',
      'SEARCH runs USING INDEX runs_open_by_session (sent_to=?)',
    ]);
    runs.list({ rootId: 'k', status: unfinished });
    expect(plans).toContain('SEARCH runs USING INDEX runs_by_root (root=? AND ended=?)');
    // Indexes of what is waiting hold nothing else: to go through one is to read what was asked for.
    const walks = plans.filter((plan) => /^SCAN (?!json_each)/.test(plan));
    expect(walks).toEqual(['SCAN mail USING INDEX mail_unanswered']);
    expect(plans.filter((plan) => /INDEX (mail_to_sessions|runs_by_unit)/.test(plan))).toHaveLength(4);
    db.close();
  });

  test('let one terminal event of a run in, whatever writes it', async () => {
    const store = openFresh();
    await store.commit([lastStepOf({ runId: 'r' })]);
    await store.close();
    const db = new DatabaseSync(pathOfStore(store));
    const add = `INSERT INTO events (root, root_seq, run, seq, type, data) SELECT root, 2, run, 2, 'run.failed', '{}' FROM runs`;
    expect(() => db.exec(add)).toThrow('UNIQUE constraint failed');
    db.close();
  });
});

describe('views for people', () => {
  // Answers of calls are counted in every run: SQLite does not look through an outer join.
  test.each([
    ['questions', 0],
    ['journal', 0],
    ['calls', 1],
  ])('look at one run alone where that is asked for: %s', (view, scans) => {
    const db = new DatabaseSync(':memory:');
    migrate(db);
    const plan = db.prepare(`EXPLAIN QUERY PLAN SELECT * FROM ${view} WHERE run_id = 'r'`).all();
    const walks = plan.filter(({ detail }) => /^SCAN (events|quiet_steps|runs|claims|asked)/.test(String(detail)));
    expect(walks).toHaveLength(scans);
    db.close();
  });

  const question = (id: string) => ({
    type: 'question.asked',
    question: { id, kind: 'confirmation', tool: 'delete', prompt: 'Sure?', arguments: { path: 'a.txt' }, options: [] },
  });

  test('show questions, open, answered and dropped', async () => {
    const store = openFresh();
    const answer = { type: 'question.answered', questionId: 'q2', answer: { decline: 'no' }, by: 'ann' };
    await store.commit([stepOf({ runId: 'r', events: [question('q1'), question('q2'), { ...answer, at: 61_500 }] })]);
    await store.commit([stepOf({ runId: 's', events: [question('q3')] }), lastStepOf({ runId: 's', expectedSeq: 1 })]);
    const db = new DatabaseSync(pathOfStore(store), { readOnly: true });
    expect(db.prepare('SELECT * FROM questions ORDER BY question_id').all()).toEqual([
      expect.objectContaining({
        question_id: 'q1',
        status: 'open',
        run_id: 'r',
        agent: 'lead',
        kind: 'confirmation',
        tool: 'delete',
        prompt: 'Sure?',
        arguments: '{"path":"a.txt"}',
        asked_at: '1970-01-01 00:00:00.001',
        answer: null,
      }),
      expect.objectContaining({
        question_id: 'q2',
        status: 'answered',
        answer: '{"decline":"no"}',
        answered_by: 'ann',
        answered_at: '1970-01-01 00:01:01.500',
      }),
      expect.objectContaining({ question_id: 'q3', status: 'dropped' }),
    ]);
    db.close();
    await store.close();
  });

  test('show calls with what became of them, also when a model repeats their ids', async () => {
    const store = openFresh();
    const call = (tool: string, n: number) => ({ type: 'call.started', callId: 'call_1', tool, arguments: { n } });
    const said = { callId: 'call_1', truncated: false, preview: '' };
    await store.commit([
      stepOf({
        runId: 'r',
        events: [
          call('add', 1),
          call('add', 2),
          call('send', 3),
          { type: 'call.completed', tool: 'add', ...said, result: '2' },
          { type: 'call.failed', tool: 'add', ...said, result: 'Not now.', error: 'Not now.', status: 'refused' },
          call('wait', 4),
          { type: 'call.failed', tool: 'send', ...said, result: 'Broken.', error: 'Broken.', at: 1_000 },
        ],
      }),
    ]);
    const db = new DatabaseSync(pathOfStore(store), { readOnly: true });
    const sql = `SELECT n, tool, arguments, status, result, took_ms FROM calls WHERE run_id = 'r' ORDER BY n`;
    expect(db.prepare(sql).all()).toEqual([
      { n: 1, tool: 'add', arguments: '{"n":1}', status: 'ok', result: '2', took_ms: 3 },
      { n: 2, tool: 'add', arguments: '{"n":2}', status: 'refused', result: 'Not now.', took_ms: 3 },
      { n: 3, tool: 'send', arguments: '{"n":3}', status: 'error', result: 'Broken.', took_ms: 997 },
      { n: 4, tool: 'wait', arguments: '{"n":4}', status: 'unanswered', result: null, took_ms: null },
    ]);
    db.close();
    await store.close();
  });
});
