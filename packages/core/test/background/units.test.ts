import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { lead, openOffice, saidIn } from './office.ts';

describe('a background unit', () => {
  test('answers its call at once, and wakes whoever asked for it when it has ended [HM-151, F-14]', async () => {
    const { runtime, clock, provider } = openOffice();
    const report = await runtime.run(lead, 'send a, b');
    expect(report.text).toContain('noted: Sent as send_');
    clock.increment(1_000);
    await settle();
    const unitId = report.calls[0]?.result.slice('Sent as '.length, -1) ?? '';
    expect(await runtime.runs.get(`wake_${unitId}`)).toMatchObject({ agent: 'lead', after: report.runId });
    expect(saidIn(provider.requests.at(-1)?.request.messages ?? [])).toEqual([
      'system: You lead.',
      'user: send a, b',
      'assistant: send',
      `tool: Sent as ${unitId}.`,
      `assistant: noted: Sent as ${unitId}.`,
      `user: [BACKGROUND COMPLETED: send, ${unitId}]\n\n[{"status":"completed","text":"did a"},{"status":"completed","text":"did b"}]`,
    ]);
  });
});
