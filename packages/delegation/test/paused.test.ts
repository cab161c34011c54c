import type { Report } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import { resultOf } from '../src/subworker-result.ts';
import {
  calling,
  dataOf,
  helperId,
  leadWith,
  open,
  questionId,
  shownTo,
  spawn,
  startAsking,
  tool,
} from './delegating.ts';

describe('a sub-worker that waits for a person', () => {
  test('is an error that says what it needs; its parent goes on [BG-032]', async () => {
    const { troupe, run } = startAsking();
    const report = await run.report;
    const data = {
      run_id: helperId,
      status: 'paused',
      worker: 'helper',
      exit_reason: 'question',
      pending_action_type: 'confirmation',
      question_ids: [questionId],
    };
    // the parent was not paused, and its model saw a failed call
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(troupe.types('root')).not.toContain('run.paused');
    expect(JSON.parse(shownTo(troupe)[0] ?? '')).toStrictEqual({
      error: 'Subworker paused and requires confirmation follow-up',
      data,
    });
    expect(dataOf(troupe, report)).toStrictEqual(data);
    // the child was let go and waits still; its question is among those of the tree
    expect(report.questions).toMatchObject([{ id: questionId, runId: helperId, prompt: 'May I deploy?' }]);
    expect(troupe.types(helperId).slice(-3)).toEqual(['question.asked', 'run.paused', 'run.detached']);
    expect(await troupe.runtime.runs.get(helperId)).toMatchObject({ status: 'paused', parentId: 'root' });
  });

  test('shows the model how to find it: run id and question beside the sentence [B-70]', async () => {
    const { troupe, run } = startAsking();
    await run.report;
    const [text] = shownTo(troupe);
    for (const part of ['requires confirmation', helperId, questionId, '"pending_action_type":"confirmation"'])
      expect(text).toContain(part);
  });

  const kinds = [
    ['confirm', 'confirmation'],
    ['askUser', 'user_input'],
    ['handoff', 'handoff'],
  ] as const;
  test.each(kinds)('says what kind of answer a tool with %s needs: %s [BG-032]', async (flag, kind) => {
    const asker = tool('ask', { [flag]: true });
    const script = {
      lead: [calling(spawn({ tools: ['ask'] })), 'Done.'],
      helper: [calling({ name: 'ask', arguments: {} })],
    };
    const troupe = open(script);
    const report = await troupe.runtime.run(leadWith(createSubworkerTool({ availableTools: [asker] })), 'Go.');
    expect(dataOf(troupe, report)).toMatchObject({ pending_action_type: kind });
    expect(shownTo(troupe)[0]).toContain(`requires ${kind} follow-up`);
  });

  test('says that the kind is unknown when nobody knows the question [BG-032]', () => {
    const report = {
      runId: helperId,
      agent: 'helper',
      status: 'paused',
      exitReason: 'question',
      text: null,
      questions: [],
    };
    expect(resultOf(report as unknown as Report)).toMatchObject({
      error: 'Subworker paused and requires unknown follow-up',
      data: { pending_action_type: 'unknown', question_ids: [] },
    });
  });
});
