/** Runs to export: a tree that ends in every way, and texts that would rather be something else. */
import { createRuntime, defineAgent, defineTool, memoryStore, spawned } from '@troupe/core';
import type { EventDraft, StoredEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

export const hostile =
  '</script></pre><img src=x onerror="window.hit=1"><script>window.hit=1</script>\n```\n# | "; end %% &lt;';

const silent = { warn: () => {}, error: () => {} };

/** A lead whose two children end differently, whose tool fails, and who asks a person; `text` is said wherever somebody may say something. */
export const treeOf = async (text = 'Well said.'): Promise<StoredEvent[]> => {
  const look = defineTool({
    name: 'look',
    description: 'Looks.',
    inputSchema: z.object({ at: z.string() }),
    execute: ({ at }) => (at === 'nothing' ? Promise.reject(new Error(text)) : `seen: ${text}`),
  });
  const erase = defineTool({
    name: 'erase',
    description: 'Erases.',
    inputSchema: z.object({}),
    confirm: true,
    prompt: text,
    execute: () => text,
  });
  const good = defineAgent({ name: 'helper', instructions: 'Help.', tools: [look] });
  const bad = defineAgent({ name: 'helper', instructions: 'Fail.', tools: [], model: 'other' });
  const ask = defineTool({
    name: 'ask_both',
    description: 'Asks both.',
    inputSchema: z.object({}),
    execute: () =>
      spawned([
        { agent: good, job: text },
        { agent: bad, job: 'fail' },
      ]),
    settle: (reports) => ({ content: reports.map(({ status }) => status).join() }),
  });
  const lead = defineAgent({ name: `lead ${text.slice(0, 20)}`, instructions: 'Lead.', tools: [ask, look, erase] });
  const provider = scriptedProvider(({ model, messages }) => {
    const answers = messages.filter(({ role }) => role === 'assistant').length;
    if (model === 'other') return { fault: { code: 'model.refused', message: text } };
    const isLead = messages.some(({ content }) => String(content).includes('Lead.'));
    if (!isLead) return answers === 0 ? { calls: [{ name: 'look', arguments: { at: text } }] } : text;
    const turns = [
      { text, reasoning: text, calls: [{ name: 'ask_both', arguments: {} }] },
      {
        calls: [
          { name: 'look', arguments: { at: 'nothing' } },
          { name: 'erase', arguments: {} },
        ],
      },
    ];
    return turns[answers] ?? text;
  });
  const store = memoryStore();
  const runtime = createRuntime({ provider, model: 'scripted', store, logger: silent });
  const run = runtime.start(lead, { input: text, constraints: [text] }, { runId: 'tree' });
  const { questions } = await run.report;
  await run.steer(text);
  await run.answer(questions[0]!.id, { decline: text });
  await run.ended;
  const events = [...(store.events({ rootId: 'tree' }) as Iterable<StoredEvent>)];
  await runtime.close();
  return events;
};

const usage = { inputTokens: 3, outputTokens: 2 };
const total = { total: usage, own: usage, byModel: {}, turns: 1, toolCalls: 0, activeMs: 0 };

/** Events as a store gives them, of runs that never were: what a whole run does not show. */
export const logOf = (...drafts: (EventDraft & { runId?: string })[]): StoredEvent[] => {
  const seqs = new Map<string, number>();
  return drafts.map(({ runId = 'r', ...draft }, n) => {
    const seq = (seqs.get(runId) ?? 0) + 1;
    seqs.set(runId, seq);
    const about = { rootId: runId, depth: 0, agent: `agent of ${runId}`, at: 1_000 * n };
    return { id: `${runId}:${seq}`, seq, rootSeq: seq, runId, ...about, ...draft };
  });
};

const job = { job: { input: { task: 'look' } } };
const origin = { runId: 'r', rootId: 'r', callId: 'c' };
const asked = { id: 'r/1-0?', runId: 'r', rootId: 'r', callId: 'c', tool: 'ask', arguments: {}, askedAt: 0 };

/** A run that was queued, retried, summarized, told something, and waits for an answer; one in its background; one that was interrupted. */
export const oddStory = (): StoredEvent[] =>
  logOf(
    { type: 'run.queued', ...job },
    { type: 'run.started', ...job, model: 'm', budget: {} },
    { type: 'turn.started', turn: 1, model: 'm', heard: ['Mind the gap.'] },
    {
      type: 'turn.attempted',
      turn: 1,
      number: 1,
      provider: 'p',
      model: 'm',
      fault: { code: 'c', message: 'Too busy.', retryable: true },
    },
    {
      type: 'context.compacted',
      model: 'm',
      summarized: 4,
      kept: 1,
      proactive: true,
      summary: 'Short.',
      usage,
      costUsd: 0.5,
    },
    { type: 'warning.raised', code: 'odd', message: 'It is odd.' },
    { type: 'call.started', callId: 'c', tool: 'ask', arguments: {} },
    { type: 'child.requested', callId: 'c', childId: 'elsewhere', childAgent: 'far', grant: {} },
    { type: 'question.asked', question: { ...asked, kind: 'input', prompt: 'Where?', options: [] } },
    { type: 'run.paused', reason: 'question', questionIds: ['r/1-0?'] },
    { runId: 'unit', type: 'run.started', ...job, model: 'm', budget: {}, origin },
    { runId: 'unit', type: 'run.paused', reason: 'paused', questionIds: [] },
    { runId: 'stopped', type: 'run.started', ...job, model: 'm', budget: {} },
    {
      runId: 'stopped',
      type: 'run.interrupted',
      exitReason: 'closed',
      reason: 'The runtime was closed.',
      partialText: 'So far',
      usage: total,
    },
  );
