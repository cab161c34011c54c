import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { redact } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readSubagentFiles } from '../../src/subagents/import-subagents.ts';
import { subagentFolder } from '../../src/subagents/subagent-folder.ts';
import { SubagentRecord } from '../../src/subagents/subagent-record.ts';
import { list, profile, stored, transcript } from './older-layout.ts';

const a = 'sub_00000000aa';
const b = 'sub_00000000bb';
const c = 'sub_00000000cc';

const one = async (files: Record<string, string>) => {
  const { records, notes } = await readSubagentFiles(files);
  expect(records).toHaveLength(1);
  return { record: records[0]!, notes };
};

describe('the list of sub-agents', () => {
  test('[SB-110] brings along who is in it: ids, session keys, parents, depths, and for whom they worked', async () => {
    const { records, notes } = await readSubagentFiles(
      list([
        stored(a, {
          spawner_channel: 'telegram:main',
          spawner_metadata: { chat_id: 7 },
          spawner_reply_to: 'm-1',
          session_key: 'subagent-of-old',
        }),
        stored(b, { parent_id: a, depth: 2, spawner_session_key: `subagent-${a}` }),
      ]),
    );
    expect(notes).toEqual([]);
    expect(records).toEqual([
      {
        agentId: a,
        parentId: null,
        depth: 1,
        label: 'read the logs',
        config: {
          toolProfile: 'core',
          keywords: [],
          examples: [],
          maxTurns: 15,
          mode: 'run',
          cleanup: 'keep',
          routing: 'direct',
          allowSubagents: false,
          autoRoute: false,
        },
        sessionKey: 'subagent-of-old',
        requester: { sessionKey: 'user-1', channel: 'telegram:main', metadata: { chat_id: 7 }, replyTo: 'm-1' },
        delivered: [],
        history: [
          { role: 'user', content: 'read the logs of today' },
          { role: 'assistant', content: 'nothing broke' },
        ],
        createdAt: 1_700_000_000_250,
        updatedAt: 1_700_000_009_500,
      },
      expect.objectContaining({
        agentId: b,
        parentId: a,
        depth: 2,
        sessionKey: `subagent-${b}`,
        requester: { sessionKey: `subagent-${a}`, channel: null, metadata: {}, replyTo: null },
      }),
    ]);
    for (const record of records) expect(SubagentRecord.parse(record)).toEqual(record);
  });

  test('[SB-110] brings along what little an old record says', async () => {
    const { records } = await readSubagentFiles(
      {
        'subagents/runs.json': JSON.stringify({
          version: 1,
          runs: { [a]: {}, [b]: { label: ' ', task: 'x'.repeat(80) } },
        }),
      },
      { now: 5 },
    );
    expect(records).toMatchObject([
      { agentId: a, label: a, sessionKey: `subagent-${a}`, createdAt: 5, updatedAt: 5, config: { maxTurns: 15 } },
      { agentId: b, label: 'x'.repeat(60) },
    ]);
    expect(await readSubagentFiles({ 'subagents/runs.json': '{"version":1}' })).toEqual({ records: [], notes: [] });
  });

  test('[SB-111] is empty where there is none, and may be elsewhere', async () => {
    expect(await readSubagentFiles({})).toEqual({ records: [], notes: [] });
    const { 'subagents/runs.json': text } = list([stored(a)]);
    expect((await readSubagentFiles({ 'old.json': text }, { runsFile: 'old.json' })).records).toHaveLength(1);
  });

  test.each([
    ['broken text', '{"version": 1, "runs": {"api_key": "very-secret-key"', 'it is not JSON'],
    ['nothing', '', 'it is not JSON'],
    ['a list', '[]', 'it is no object with a version and runs'],
    ['no version', '{"runs":{}}', 'its version is no whole number from 1 on'],
    ['version 0', '{"version":0,"runs":{}}', 'its version is no whole number from 1 on'],
    ['half a version', '{"version":1.5,"runs":{}}', 'its version is no whole number from 1 on'],
    ['a version as text', '{"version":"1","runs":{}}', 'its version is no whole number from 1 on'],
    ['runs in a list', '{"version":1,"runs":[]}', 'its runs are no object'],
  ])('[SB-111, B-40] is refused with %s, in words that show nothing of it', async (_what, text, why) => {
    const refused = readSubagentFiles({ 'subagents/runs.json': text });
    await expect(refused).rejects.toMatchObject({
      code: 'subagents.unreadable',
      message: `subagents/runs.json cannot be read as a list of sub-agents: ${why}. Nothing was brought along, and the file is as it was. Mend it, or move it away.`,
    });
  });

  test('[SB-111] of a newer version is read as far as it is known, and so is one with a mark at its start', async () => {
    const { records, notes } = await readSubagentFiles(list([stored(a)], 7));
    expect(records).toHaveLength(1);
    expect(notes).toEqual(['subagents/runs.json has version 7, newer than 1: what is known of it was read.']);
    expect((await readSubagentFiles({ 'subagents/runs.json': '\uFEFF{"version":1,"runs":{}}' })).records).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['is no object', 'text', 'all of it'],
    ['has an id of another', stored(c), 'agent_id'],
    ['has a state that is none', stored(b, { state: 'asleep' }), 'state'],
    ['has no text as task, and no time', stored(b, { task: 7, created_at: 'today' }), 'task, created_at'],
    ['has no configuration', { ...stored(b), config: [] }, 'config'],
  ])('[SB-111] leaves out one that %s, and brings along the rest', async (_what, broken, why) => {
    const { record, notes } = await one({
      'subagents/runs.json': JSON.stringify({ version: 1, runs: { [a]: stored(a), [b]: broken } }),
    });
    expect(record.agentId).toBe(a);
    expect(notes).toEqual([`Sub-agent ${b} was left out, for it is not as it should be: ${why}.`]);
  });

  test('[SB-111] leaves out one whose id could be no id', async () => {
    const { records, notes } = await readSubagentFiles(list([stored('../up')]));
    expect(records).toEqual([]);
    expect(notes).toEqual(['Sub-agent ../up was left out, for it is not as it should be: agent_id.']);
  });

  test.each(['pending', 'running'])('[SB-112] says of one that was %s that its run is gone', async (state) => {
    const { record, notes } = await one(list([stored(a, { state, result: null, frozen_result_text: null })]));
    expect(record).not.toHaveProperty('run');
    expect(record).not.toHaveProperty('history');
    expect(notes).toEqual([
      `Sub-agent ${a}: it was ${state} when this was written: that run is gone, and can be asked for again.`,
    ]);
  });

  test('[SB-112] of a failed one brings along nothing that was not said', async () => {
    const { record, notes } = await one(list([stored(a, { state: 'failed', result: null, error: 'broke' })]));
    expect(record).not.toHaveProperty('history');
    expect(notes).toEqual([]);
    const kept = await one(list([stored(a, { result: null, frozen_result_text: 'kept' })]));
    expect(kept.record.history?.[1]).toEqual({ role: 'assistant', content: 'kept' });
  });

  test('[SB-111] is refused with its cause where it cannot be read', async () => {
    const files = { read: () => Promise.reject(new Error('no permission')), list: async () => [] };
    await expect(readSubagentFiles(files)).rejects.toMatchObject({
      code: 'subagents.unreadable',
      message: expect.stringContaining('reading it failed'),
      cause: { message: 'no permission' },
    });
  });
});

describe('how a sub-agent was made', () => {
  test('[SB-110] is taken over under our names, with seconds as milliseconds', async () => {
    const { record, notes } = await one(
      list([
        stored(a, {
          config: {
            role: 'backend',
            model: 'small',
            provider: 'openai',
            max_iterations: 25,
            system_prompt: 'Be brief.',
            tool_profile: 'coding',
            enabled_tools: ['shell', 'read_file'],
            enable_skills: false,
            thinking_level: 'deep',
            timeout_seconds: 90,
            cleanup: 'delete',
            specialization: 'logs',
            auto_route: true,
            match_keywords: ['log'],
            match_examples: ['read the logs'],
            routing_mode: 'orchestrated',
            allow_subagents: true,
          },
        }),
      ]),
    );
    expect(notes).toEqual([]);
    expect(record.config).toEqual({
      role: 'backend',
      model: 'small',
      provider: 'openai',
      maxTurns: 25,
      instructions: 'Be brief.',
      toolProfile: 'coding',
      tools: ['shell', 'read_file'],
      skills: false,
      thinking: 'extended',
      timeoutMs: 90_000,
      mode: 'run',
      cleanup: 'delete',
      specialization: 'logs',
      autoRoute: true,
      keywords: ['log'],
      examples: ['read the logs'],
      routing: 'orchestrated',
      allowSubagents: true,
    });
  });

  test.each<[string, unknown, object, string]>([
    ['role', 7, {}, 'is no text, and was left out.'],
    ['max_iterations', 0, { maxTurns: 1 }, 'is 0: 1 holds, of 1 to 50.'],
    ['max_iterations', 51, { maxTurns: 50 }, 'is 51: 50 holds, of 1 to 50.'],
    ['max_iterations', 2.5, { maxTurns: 2 }, 'is 2.5: 2 holds, of 1 to 50.'],
    ['max_iterations', 'many', { maxTurns: 15 }, 'is no number: the default holds.'],
    ['timeout_seconds', 9, { timeoutMs: 10_000 }, 'is 9: 10 holds, of 10 to 3600.'],
    ['timeout_seconds', 3_601, { timeoutMs: 3_600_000 }, 'is 3601: 3600 holds, of 10 to 3600.'],
    ['thinking_level', 'cosmic', {}, 'is not known, and was left out.'],
    ['cleanup', 'burn', { cleanup: 'keep' }, 'is none of keep, delete: it is keep.'],
    ['routing_mode', 7, { routing: 'direct' }, 'is none of direct, orchestrated: it is direct.'],
    ['allow_subagents', 'yes', { allowSubagents: false }, 'is neither true nor false: the default holds.'],
    ['system_prompt', ['x'], {}, 'is no text, and was left out.'],
    ['match_keywords', ['x', 7, ' '], { keywords: ['x'] }, 'should be a list of texts: what is no text was left out.'],
    ['match_examples', 'x', { examples: ['x'] }, 'should be a list of texts: what is no text was left out.'],
    ['context_window', 8_000, {}, 'was left out: that is up to the model.'],
  ])('[SB-111] is mended where it could not hold: %s %j', async (name, value, expected, why) => {
    const { record, notes } = await one(list([stored(a, { config: { [name]: value } })]));
    expect(record.config).toMatchObject(expected);
    expect(notes).toEqual([`Sub-agent ${a}: its ${name} ${why}`]);
    expect(SubagentRecord.parse(record)).toEqual(record);
  });

  test('[SB-110] is without what is blank', async () => {
    const { record, notes } = await one(list([stored(a, { config: { role: ' ', enabled_tools: [] } })]));
    expect(record.config).not.toHaveProperty('role');
    expect(record.config.tools).toEqual([]);
    expect(notes).toEqual([]);
  });

  test.each<[unknown, string | undefined]>([
    [true, 'basic'],
    [false, 'off'],
    [' Deep ', 'extended'],
    ['standard', 'basic'],
    ['', undefined],
  ])('[SB-110] thinks as it did: %j', async (level, expected) => {
    const { record, notes } = await one(list([stored(a, { config: { thinking_level: level } })]));
    expect(record.config.thinking).toBe(expected);
    expect(notes).toEqual([]);
  });

  test('[B-40] is taken over without keys and addresses, each named, and hidden where it was quoted', async () => {
    const key = 'a-key-of-no-known-shape';
    const files = {
      ...list([
        stored(a, {
          // which would be cut as a label
          label: null,
          task: `Look at all of the pages behind the door with ${key}`,
          config: { api_key: key, base_url: 'https://user:password@models.example', system_prompt: `Use ${key}.` },
        }),
      ]),
      ...profile('writer', { api_key: 'sk-0123456789abcdef', base_url: '' }),
      [`sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: `my key is ${key}` }),
    };
    const { records, notes } = await readSubagentFiles(files);
    expect(notes).toEqual([
      `Sub-agent ${a}: its api_key was not brought along: name a provider in its place.`,
      `Sub-agent ${a}: its base_url was not brought along: name a provider in its place.`,
      'Profile writer: its api_key was not brought along: name a provider in its place.',
    ]);
    expect(JSON.stringify({ records, notes })).not.toMatch(/a-key-of|no-known-shape|models\.example|0123456789abcdef/);
    expect(records[0]).toMatchObject({
      config: { instructions: 'Use [redacted].' },
      history: [{ content: 'my key is [redacted]' }],
    });
  });

  test('[B-40] hides no word that stands for a key where none is needed', async () => {
    const { record } = await one({
      ...list([stored(a, { config: { api_key: 'ollama' } })]),
      [`sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: 'what is ollama?' }),
    });
    expect(record.history?.[0]?.content).toBe('what is ollama?');
    expect(redact('ollama')).toBe('ollama');
  });
});

describe('the tree that was stored', () => {
  test('[SB-110] stays, and its depths are those that follow from it', async () => {
    const { records, notes } = await readSubagentFiles(
      list([stored(c, { parent_id: b, depth: 9 }), stored(a, { depth: 0 }), stored(b, { parent_id: a })]),
    );
    expect(records.map(({ agentId, parentId, depth }) => [agentId, parentId, depth])).toEqual([
      [c, b, 3],
      [a, null, 1],
      [b, a, 2],
    ]);
    expect(notes).toEqual([]);
  });

  test('[SB-111] loses a parent that is not there, and what is below rises', async () => {
    const { records, notes } = await readSubagentFiles(
      list([stored(a, { parent_id: 'sub_gone', depth: 4 }), stored(b, { parent_id: a, depth: 5 })]),
    );
    expect(records).toMatchObject([
      { agentId: a, parentId: null, depth: 1 },
      { agentId: b, parentId: a, depth: 2 },
    ]);
    expect(notes).toEqual([`Sub-agent ${a}: its parent sub_gone is not there, so it has none.`]);
  });

  test('[SB-111, B-11] is cut where it went in a circle, above the oldest', async () => {
    const { records, notes } = await readSubagentFiles(
      list([
        stored('sub_child', { parent_id: a }),
        stored(a, { parent_id: c, created_at: 3 }),
        stored(b, { parent_id: a, created_at: 1 }),
        stored(c, { parent_id: b, created_at: 2 }),
        stored('sub_self', { parent_id: 'sub_self' }),
      ]),
    );
    expect(records.map(({ agentId, parentId, depth }) => [agentId, parentId, depth])).toEqual([
      ['sub_child', a, 4],
      [a, c, 3],
      [b, null, 1],
      [c, b, 2],
      ['sub_self', null, 1],
    ]);
    expect(notes).toEqual([
      `Sub-agent ${b}: it came from ${a}, which came from it, so it has no parent.`,
      'Sub-agent sub_self: it came from sub_self, which came from it, so it has no parent.',
    ]);
  });
});

describe('twenty thousand sub-agents', () => {
  test('[SB-110, SB-062] are brought along without looking at all for each', async () => {
    const ids = Array.from({ length: 20_000 }, (_, at) => `sub_${at}`);
    const runs = Object.fromEntries(ids.map((id, at) => [id, { parent_id: ids[at - 1] ?? null }]));
    const { records } = await readSubagentFiles({ 'subagents/runs.json': JSON.stringify({ version: 1, runs }) });
    expect(records.at(-1)).toMatchObject({ agentId: 'sub_19999', parentId: 'sub_19998', depth: 20_000 });
  });
});

describe('a sub-agent with a name', () => {
  const named = (agentId: string, about: object = {}) =>
    stored(agentId, { config: { spawn_mode: 'session', agent_name: 'writer' }, spawn_mode: 'session', ...about });

  test('[SB-115] goes on with the conversation in its own folder, else with the one in the shared folder', async () => {
    const own = { [`agents/writer/sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: 'own' }) };
    const shared = { [`sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: 'shared' }) };
    const both = await one({ ...list([named(a)]), ...shared, ...own });
    expect(both.record).toMatchObject({ name: 'writer', config: { mode: 'session' }, history: [{ content: 'own' }] });
    expect((await one({ ...list([named(a)]), ...shared })).record.history).toMatchObject([{ content: 'shared' }]);
    // one without a name has no folder
    const other = await one({ ...list([stored(a)]), ...own, ...shared });
    expect(other.record.history).toMatchObject([{ content: 'shared' }]);
  });

  test('[SB-110] is named also where only the record says so', async () => {
    const { record } = await one(list([{ ...stored(a), config: {}, spawn_mode: 'session', agent_name: 'writer' }]));
    expect(record).toMatchObject({ name: 'writer', config: { mode: 'session' } });
  });

  test('[SB-111] whose name could be none is one for a single task', async () => {
    const { record, notes } = await one(list([named(a, { config: { spawn_mode: 'session', agent_name: '../up' } })]));
    expect(record.name).toBeUndefined();
    expect(record.config.mode).toBe('run');
    expect(notes).toEqual([`Sub-agent ${a}: it has no name to go on under, so it is one for a single task.`]);
  });

  test('[SB-111] is the latest of several, and so is the one that has a conversation', async () => {
    const { records, notes } = await readSubagentFiles({
      ...list([
        named(a, { created_at: 1 }),
        named(b, { created_at: 2 }),
        stored(c, { created_at: 1, session_key: `subagent-${b}` }),
      ]),
      [`agents/writer/sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: 'older' }),
    });
    expect(records.map(({ agentId, name, config }) => [agentId, name, config.mode])).toEqual([
      [a, undefined, 'run'],
      [b, 'writer', 'session'],
    ]);
    expect(records[0]!.history).toMatchObject([{ content: 'older' }]);
    expect(notes).toEqual([
      `Sub-agent ${c} was left out: ${b} goes on with the same conversation.`,
      `Sub-agent ${a} has its name no longer: ${b} has it.`,
    ]);
  });

  test('[SB-115] is there by its profile alone, and its record comes before its profile', async () => {
    const { record, notes } = await one({
      ...profile('writer', {
        role: 'backend',
        session_key: 'kept-key',
        last_run_agent_id: a,
        last_run_state: 'running',
        max_iterations: 99,
      }),
      'agents/writer/sessions/kept-key.jsonl': transcript({ role: 'user', content: 'hello' }),
    });
    expect(record).toMatchObject({
      agentId: a,
      name: 'writer',
      parentId: null,
      depth: 1,
      label: 'writer',
      config: { role: 'backend', mode: 'session', toolProfile: 'coding', maxTurns: 50 },
      sessionKey: 'kept-key',
      requester: { sessionKey: null, channel: null },
      history: [{ content: 'hello' }],
      createdAt: 1_700_000_000_000,
      updatedAt: 1_700_000_100_000,
    });
    expect(notes).toEqual(['Profile writer: its max_iterations is 99: 50 holds, of 1 to 50.']);
    const both = await one({ ...list([named(b)]), ...profile('writer', { last_run_agent_id: a }) });
    expect(both.record.agentId).toBe(b);
  });

  const talk = transcript({ role: 'user', content: 'hello' });
  test.each<[string, Record<string, unknown>, Record<string, string>, string | undefined]>([
    [
      'that its last run had, in its folder',
      { last_run_agent_id: a },
      { [`agents/writer/sessions/subagent-${a}.jsonl`]: talk, 'agents/writer/sessions/other.jsonl': talk },
      `subagent-${a}`,
    ],
    [
      'that its last run had, in the shared folder',
      { last_run_agent_id: a },
      { [`sessions/subagent-${a}.jsonl`]: talk, 'agents/writer/sessions/other.jsonl': talk },
      `subagent-${a}`,
    ],
    ['that an older profile names', { agent_id: a }, { [`sessions/subagent-${a}.jsonl`]: talk }, `subagent-${a}`],
    [
      'of the only file, whatever else is there',
      { last_run_agent_id: a },
      {
        'agents/writer/sessions/only.jsonl': talk,
        'agents/writer/sessions/only.meta.json': '{}',
        'agents/writer/sessions/gone.deleted.17.jsonl': talk,
      },
      'only',
    ],
    [
      'of none of several files',
      { last_run_agent_id: a },
      { 'agents/writer/sessions/x.jsonl': talk, 'agents/writer/sessions/y.jsonl': talk },
      undefined,
    ],
  ])('[SB-116] finds the conversation %s', async (_where, about, files, expected) => {
    const { record, notes } = await one({ ...profile('writer', about), ...files });
    expect(record.sessionKey).toBe(expected ?? `subagent-${a}`);
    expect(record.history !== undefined).toBe(expected !== undefined);
    expect(notes).toEqual([]);
  });

  test('[SB-116] that never ran gets an id, the same each time, and so does one whose id is another’s', async () => {
    const files = {
      ...list([stored(a)]),
      ...profile('writer', { last_run_agent_id: a }),
      ...profile('reader'),
      ...profile('tester', { last_run_agent_id: b }),
      ...profile('tester-2', { last_run_agent_id: b }),
    };
    const { records } = await readSubagentFiles(files);
    const ids = records.map(({ agentId }) => agentId);
    expect(new Set(ids).size).toBe(5);
    expect(ids).toContain(b);
    for (const id of ids) expect(id).toMatch(/^sub_[0-9a-f]{10}$/);
    expect((await readSubagentFiles(files)).records.map(({ agentId }) => agentId)).toEqual(ids);
    expect(records[1]).toMatchObject({ name: 'reader', sessionKey: `subagent-${ids[1]}` });
  });

  test('[SB-111, SB-115] that is broken is left out, and folders without a profile are none', async () => {
    const { record, notes } = await one({
      ...profile('writer'),
      ...profile('two words'),
      'agents/broken/agent.json': '{"api_key": "secret',
      'agents/list/agent.json': '[]',
      'agents/wrong/agent.json': '{"created_at": "today"}',
      'agents/empty/sessions/x.jsonl': '',
      'agents/notes.txt': '',
    });
    expect(record.name).toBe('writer');
    expect(notes).toEqual([
      'agents/broken/agent.json was left out: it is not JSON.',
      'Profile list was left out, for it is not as it should be: all of it.',
      'agents/two words/agent.json was left out: names are letters, digits, _ and -.',
      'Profile wrong was left out, for it is not as it should be: created_at.',
    ]);
  });
});

describe('the files', () => {
  test('[SB-114] that were put away as deleted are not read, and a key is found under its name as a file', async () => {
    const { record } = await one({
      ...list([stored(a, { session_key: 'subagent:ä/1', state: 'failed' })]),
      'sessions/subagent_ä_1.deleted.1700000000.jsonl': transcript({ role: 'user', content: 'deleted' }),
    });
    expect(record.history).toBeUndefined();
    const found = await one({
      ...list([stored(a, { session_key: 'subagent:ä/1' })]),
      'sessions/subagent_ä_1.jsonl': transcript({ role: 'user', content: 'kept' }),
    });
    expect(found.record).toMatchObject({ sessionKey: 'subagent:ä/1', history: [{ content: 'kept' }] });
  });

  test('[SB-110, SB-115] of a folder of this machine are read, and left as they are', async () => {
    const root = mkdtempSync(join(tmpdir(), 'troupe-older-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const files = {
      ...list([stored(a)]),
      ...profile('writer'),
      'agents/notes.txt': '',
      [`sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: 'hello' }),
    };
    expect(await readSubagentFiles(subagentFolder(root))).toEqual({ records: [], notes: [] });
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    const found = await readSubagentFiles(subagentFolder(root));
    expect(found.records).toHaveLength(2);
    expect(found).toEqual(await readSubagentFiles(files));
  });

  test('[SB-111] that cannot be read are left out, each with a note, but for the list', async () => {
    const root = mkdtempSync(join(tmpdir(), 'troupe-older-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    // given folders where files should be
    for (const name of ['subagents', 'agents/writer/agent.json', `sessions/subagent-${a}.jsonl`])
      mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, 'subagents/runs.json'), list([stored(a)])['subagents/runs.json']);
    const { records, notes } = await readSubagentFiles(subagentFolder(root));
    expect(records).toHaveLength(1);
    expect(notes).toEqual([
      'agents/writer/agent.json could not be read, and was left out.',
      `sessions/subagent-${a}.jsonl could not be read, and was left out.`,
    ]);
    // and folders that cannot be listed
    const closed = {
      read: async (path: string) => list([stored(a)])[path as 'subagents/runs.json'],
      list: () => Promise.reject(new Error('no permission')),
    };
    expect((await readSubagentFiles(closed)).notes).toEqual([
      'agents could not be listed: what is there was left out.',
      'sessions could not be listed: what was said there was left out.',
    ]);
    // and a file that went away since it was listed, with another of its key in the shared folder
    const texts: Record<string, string> = {
      ...profile('writer', { last_run_agent_id: a }),
      [`sessions/subagent-${a}.jsonl`]: transcript({ role: 'user', content: 'shared' }),
    };
    const listed: string[] = [];
    const gone = {
      read: async (path: string) => texts[path],
      list: async (path: string) => {
        listed.push(path);
        return path === 'agents' ? ['writer'] : [`subagent-${a}.jsonl`];
      },
    };
    const found = await readSubagentFiles(gone);
    expect(found.records).toMatchObject([{ history: [{ content: 'shared' }] }]);
    expect(found.notes).toEqual([]);
    expect(listed.toSorted()).toEqual(['agents', 'agents/writer/sessions', 'sessions']);
  });

  test('[SB-110] are asked for as texts where there is no file system', async () => {
    vi.resetModules();
    vi.stubGlobal('process', {});
    onTestFinished(() => {
      vi.unstubAllGlobals();
      vi.resetModules();
    });
    const there = await import('../../src/subagents/subagent-folder.ts');
    expect(() => there.subagentFolder('old')).toThrow('There is no file system here to read old from.');
  });

  test('[SB-110] make records that hold, whatever is in them', async () => {
    const id = fc.constantFrom(a, b, c, 'sub_dd', 'bad id');
    const fields = fc.dictionary(
      fc.constantFrom(
        'parent_id',
        'label',
        'task',
        'state',
        'session_key',
        'created_at',
        'agent_name',
        'spawn_mode',
        'config',
      ),
      fc.oneof(
        id,
        fc.constantFrom('session', 'running', 'writer', null),
        fc.nat(60),
        fc.dictionary(
          fc.constantFrom(
            'max_iterations',
            'timeout_seconds',
            'thinking_level',
            'enabled_tools',
            'cleanup',
            'role',
            'spawn_mode',
            'agent_name',
          ),
          fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom('session', 'writer')),
        ),
      ),
    );
    const runs = fc.dictionary(
      id,
      fc.oneof({ weight: 9, arbitrary: fields }, { weight: 1, arbitrary: fc.jsonValue() }),
    );
    await fc.assert(
      fc.asyncProperty(runs, fields, fc.string(), async (given, about, text) => {
        const { records } = await readSubagentFiles({
          'subagents/runs.json': JSON.stringify({ version: 1, runs: given }),
          'agents/writer/agent.json': JSON.stringify(about),
          [`sessions/subagent-${a}.jsonl`]: text,
        });
        const byId = new Map(records.map((record) => [record.agentId, record]));
        expect(byId.size).toBe(records.length);
        expect(new Set(records.map(({ sessionKey }) => sessionKey)).size).toBe(records.length);
        const names = records.flatMap(({ name }) => name ?? []);
        expect(new Set(names).size).toBe(names.length);
        for (const record of records) {
          expect(SubagentRecord.parse(record)).toEqual(record);
          expect(record.name !== undefined).toBe(record.config.mode === 'session');
          expect(record.depth).toBe(record.parentId === null ? 1 : byId.get(record.parentId)!.depth + 1);
        }
      }),
    );
  });
});
