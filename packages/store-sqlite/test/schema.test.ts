import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { lastStepOf, stepOf } from '../../../test/support/steps.ts';
import { migrate, migrations, versionOf } from '../src/file/schema.ts';
import { sqliteStore } from '../src/index.ts';
import { readMail } from '../src/reader/read-mail.ts';
import { readRuns } from '../src/reader/read-runs.ts';
import type { Reader } from '../src/reader/statements.ts';
import { ownIdentity } from '../src/writer/process-identity.ts';
import { freshPath, openFresh, pathOfStore } from './files.ts';

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

  test('of the first version are brought up to date with what they hold', async () => {
    const path = freshPath();
    const old = new DatabaseSync(path);
    old.exec('PRAGMA journal_mode = WAL');
    migrate(old, migrations.slice(0, 1));
    const row = JSON.stringify({ runId: 'r', rootId: 'r', agent: 'a', status: 'running' });
    old.exec(`INSERT INTO runs (run_id, root_id, agent, status, ended, seq, data) VALUES ('r', 'r', 'a', 'running', 0, 1, '${row}');
      INSERT INTO jobs VALUES ('r', '{"input":"go"}');
      INSERT INTO events (root_id, root_seq, run_id, seq, type, data) VALUES ('r', 1, 'r', 1, 'run.started', '{"id":"r:1"}')`);
    old.close();
    const store = sqliteStore(path);
    expect(store.get('r')).toMatchObject({ runId: 'r', job: { input: 'go' } });
    expect([store.journal('r'), [...(store.events({ runId: 'r' }) as Iterable<object>)]]).toMatchObject([
      [],
      [{ id: 'r:1' }],
    ]);
    const claim = await store.claim('r', 'owner', { leaseMs: 1_000 });
    const heard = { seq: 1, at: 0, heard: { type: 'said' } };
    const step = stepOf({ runId: 'r', expectedSeq: 1, events: [] });
    await store.commit([{ ...step, owner: 'owner', epoch: claim?.epoch ?? 0, journal: [heard] }]);
    expect(store.journal('r')).toEqual([{ ...heard, rootSeq: 1 }]);
    await store.close();
  });

  test('of the second version are brought up to date with what they hold', async () => {
    // given a file of version 2 with a run, mail that waits and mail that was answered
    const path = freshPath();
    const old = new DatabaseSync(path);
    old.exec('PRAGMA journal_mode = WAL');
    migrate(old, migrations.slice(0, 2));
    const row = JSON.stringify({ runId: 'r', rootId: 'r', agent: 'a', status: 'running', sessionKey: 'k' });
    old.exec(`INSERT INTO runs (run_id, root_id, agent, status, ended, sent_to, seq, data) VALUES ('r', 'r', 'a', 'running', 0, 'k', 1, '${row}');
      INSERT INTO jobs VALUES ('r', '{"input":"go"}');
      INSERT INTO claims VALUES ('r', 'owner', 1);
      INSERT INTO events (root_id, root_seq, run_id, seq, type, data) VALUES ('r', 1, 'r', 1, 'run.started', '{"id":"r:1"}');
      INSERT INTO mail (mail_id, run_id, at, message, receipt) VALUES ('a', 'r', 1, '{"type":"steer"}', NULL),
        ('b', 'r', 1, '{"type":"steer"}', '{"status":"accepted"}')`);
    old.close();
    // when it is opened by this version
    const store = sqliteStore(path);
    // then mail to runs is mail to runs, and no run is in the background of its session
    const a = { id: 'a', runId: 'r', at: 1, message: { type: 'steer' } };
    expect([store.inbox('owner'), store.sessionInbox(), store.receipt('b')]).toEqual([[a], [], { status: 'accepted' }]);
    expect(store.list({ sentTo: 'k' })).toHaveLength(1);
    expect(store.list({ unitsOf: 'k' })).toEqual([]);
    // and it takes what there was not before
    const claim = await store.claim('r', 'owner', { leaseMs: 1_000 });
    const mail = [{ ...a, id: 'c', sessionKey: 'k' }];
    const step = stepOf({
      runId: 'r',
      expectedSeq: 1,
      mail,
      receipts: [{ mailId: 'a', receipt: { status: 'accepted' } }],
    });
    await store.commit([{ ...step, owner: 'owner', epoch: claim?.epoch ?? 0 }]);
    const origin = { runId: 'r', rootId: 'r', callId: 'call_1' };
    await store.commit([stepOf({ runId: 'u', row: { sessionKey: 'k', origin } })]);
    expect([store.inbox('owner'), store.sessionInbox('k')]).toEqual([[], mail]);
    expect(store.list({ unitsOf: 'k' })).toMatchObject([{ runId: 'u', origin }]);
    await store.close();
  });

  test('let no question about mail or units look at everything that is stored', () => {
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
    const add = `INSERT INTO events (root_id, root_seq, run_id, seq, type, data) VALUES ('r', 2, 'r', 2, 'run.failed', '{}')`;
    expect(() => db.exec(add)).toThrow('UNIQUE constraint failed');
    db.close();
  });
});

describe('views for people', () => {
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
