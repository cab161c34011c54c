import { describe, expect, test } from 'vitest';
import type { ChatMessage, ChatRequest, Reply } from '../../src/rehearsal/conversation.ts';
import { rehearse } from '../../src/rehearsal/rehearse.ts';

const tools = (...names: string[]) => names.map((name) => ({ function: { name } }));
const user = (content: string): ChatMessage => ({ role: 'user', content });
const contract: ChatMessage = { role: 'system', content: 'Build.\n\n# Subagent Context\nYou are a sub-agent.' };

const callsOf = (reply: Reply) =>
  'calls' in reply ? reply.calls.map(({ name, arguments: input }) => ({ name, ...input })) : [];
const textOf = (reply: Reply) => ('text' in reply ? reply.text : '');

/** The conversation after a reply, what its calls gave, and what was said then. */
const after = (request: ChatRequest, reply: Reply, result: string, ...then: ChatMessage[]): ChatRequest => {
  const calls = 'calls' in reply ? reply.calls : [];
  const said: ChatMessage[] =
    calls.length === 0
      ? [{ role: 'assistant', content: textOf(reply) }]
      : [
          {
            role: 'assistant',
            content: null,
            tool_calls: calls.map((call, n) => ({
              id: `call_${n}`,
              function: { name: call.name, arguments: JSON.stringify(call.arguments) },
            })),
          },
          ...calls.map((_, n): ChatMessage => ({ role: 'tool', tool_call_id: `call_${n}`, content: result })),
        ];
  return { ...request, messages: [...request.messages, ...said, ...then] };
};
const wake = (body: string) =>
  user(`[Sub-agent Completed] x (sub_1): completed after 1 s\ntask_id: sub_1\nrun_id: run_1\n\n${body}`);

describe('the rehearsal model as the planner of a team', () => {
  const first: ChatRequest = { messages: [user('Measure the wind.')], tools: tools('spawn') };

  test('spawns backend by name, ends its turn, tells what that has done, and then goes on with it by name', () => {
    const spawning = rehearse(first);
    expect(callsOf(spawning)).toEqual([
      {
        name: 'spawn',
        action: 'spawn',
        role: 'backend',
        agent_name: 'backend',
        spawn_mode: 'session',
        routing_mode: 'orchestrated',
        task: 'Measure the wind.',
      },
    ]);
    const spawned = after(first, spawning, 'Sub-agent spawned.');
    const waiting = rehearse(spawned);
    expect(textOf(waiting)).toBe('backend is at work. What it has done follows.');
    const woken = after(spawned, waiting, '', wake('It blows.'));
    const told = rehearse(woken);
    expect(textOf(told)).toMatch(/^Rehearsal: .*\n\nbackend reports: It blows\.$/);
    const next = rehearse(after(woken, told, '', user('Measure the rain.')));
    expect(callsOf(next)).toEqual([
      { name: 'spawn', action: 'resume', agent_name: 'backend', task: 'Measure the rain.' },
    ]);
  });

  test('says what was refused', () => {
    const refused = after(first, rehearse(first), '{"error":"Error: Max total active sub-agents (20) reached."}');
    expect(textOf(rehearse(refused))).toBe('Error: Max total active sub-agents (20) reached.');
  });
});

describe('the rehearsal model as one that builds', () => {
  const start: ChatRequest = { messages: [contract, user('One. Two.')], tools: tools('write_file', 'spawn') };
  const build = (request: ChatRequest) => {
    const writing = rehearse(request);
    const wrote = after(request, writing, 'Wrote work.md.');
    const spawning = rehearse(wrote);
    return { writing, spawning, spawned: after(wrote, spawning, 'Sub-agent spawned.\nID: sub_7\nRun ID: run_7') };
  };

  test('writes down what it was asked, has it reviewed, waits for that, and tells what was said', () => {
    const { writing, spawning, spawned } = build(start);
    expect(callsOf(writing)).toEqual([
      { name: 'write_file', path: 'work.md', content: '# Asked for\n\n## Task 1\n\n- [ ] One.\n- [ ] Two.\n' },
    ]);
    expect(callsOf(spawning)).toMatchObject([{ name: 'spawn', action: 'spawn', role: 'reviewer' }]);
    const waiting = rehearse(spawned);
    expect(callsOf(waiting)).toEqual([{ name: 'spawn', action: 'wait', agent_id: 'sub_7' }]);
    const heard = after(
      spawned,
      waiting,
      '[Sub-agent Completed] x (sub_7/run_7): completed after 1s\ntask_id: sub_7\nrun_id: run_7\nGood.',
    );
    const told = rehearse(heard);
    expect(textOf(told)).toBe('work.md holds 2 items of one task, 0 of them from before. The reviewer: Good.');
    // and knows of it with its next task
    expect(callsOf(rehearse(after(heard, told, '', user('Three.'))))[0]).toMatchObject({
      content: '# Asked for\n\n## Task 1\n\n- [ ] One.\n- [ ] Two.\n\n## Task 2\n\n- [ ] Three.\n',
    });
  });

  test('waits three times and no longer', () => {
    let request = build(start).spawned;
    for (let n = 0; n < 3; n++) request = after(request, rehearse(request), 'No results received within 30s.');
    expect(textOf(rehearse(request))).toMatch(/The reviewer: nothing was heard\.$/);
  });
});

describe('the rehearsal model as a reviewer', () => {
  const start: ChatRequest = { messages: [contract, user('Review work.md.')], tools: tools('list_dir', 'read_file') };

  test('reads what is there, and counts', () => {
    const listing = rehearse(start);
    expect(callsOf(listing)).toEqual([{ name: 'list_dir' }]);
    const listed = after(start, listing, '{"files":[{"path":"work.md","bytes":9}]}');
    const reading = rehearse(listed);
    expect(callsOf(reading)).toEqual([{ name: 'read_file', path: 'work.md' }]);
    expect(textOf(rehearse(after(listed, reading, '# A\n\n- [ ] One.\n- [x] Two.\n')))).toBe(
      'work.md has 2 items; 1 are not checked off.',
    );
  });

  test('says that there is nothing', () => {
    expect(textOf(rehearse(after(start, rehearse(start), '{"files":[]}')))).toBe('There is no work.md.');
  });
});
