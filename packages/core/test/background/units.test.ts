import { expect, test } from 'vitest';
import { openOffice } from './office.ts';

test('a background unit answers its call at once, and wakes whoever asked for it when it has ended [HM-151, F-14]', async () => {
  const { runtime, lead, pass, heard } = openOffice();
  const report = await runtime.run(lead, 'do: send a,b');
  expect(report.text).toContain('noted: Sent as send_');
  await pass(1_000);
  const unitId = report.calls[0]?.result.slice('Sent as '.length, -1) ?? '';
  expect(await runtime.runs.get(`wake_${unitId}`)).toMatchObject({ agent: 'lead', after: report.runId });
  expect(heard()).toEqual([
    'system: You lead.',
    'user: do: send a,b',
    'assistant: send',
    `tool: Sent as ${unitId}.`,
    `assistant: noted: Sent as ${unitId}.`,
    `user: [BACKGROUND COMPLETED: send, ${unitId}]\n\n[{"status":"completed","text":"did a"},{"status":"completed","text":"did b"}]`,
  ]);
});
