import { dispatched } from '@troupe/core';
import { expect, test } from 'vitest';
import { unitIdOf } from '../../src/background/unit.ts';
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

test.each([
  ['delegate_task', /^deleg_[0-9a-f]{16}$/],
  ['Do it', /^do_[0-9a-f]{16}$/],
  ['2nd', /^unit_[0-9a-f]{16}$/],
])(
  'the unit of a call of "%s" has an id that says so, the same for the same call of the same run [HM-151]',
  (tool, id) => {
    const unit = unitIdOf(tool, 'r/1-0', 5);
    expect(unit).toMatch(id);
    expect(unitIdOf(tool, 'r/1-0', 5)).toBe(unit);
    expect(unitIdOf(tool, 'r/1-1', 5)).not.toBe(unit);
    expect(unitIdOf(tool, 'r/1-0', 6)).not.toBe(unit);
  },
);

test('a unit that was steered, or whose tool says nothing, comes to its end all the same', async () => {
  const gate = Promise.withResolvers<string>();
  const { runtime, lead, pass, heard, units } = openOffice({
    tool: {
      execute: (_input, { view }) =>
        view.unit ? gate.promise : dispatched({ data: null, answer: () => ({ content: 'Sent.' }) }),
    },
  });
  await runtime.run(lead, 'do: send a');
  await pass();
  const unit = await runtime.attach((await units())[0] ?? '');
  expect(await unit.steer('Hurry.')).toMatchObject({ status: 'deferred' });
  gate.resolve('');
  expect(await unit.ended).toMatchObject({ status: 'completed', text: 'Done.', usage: { turns: 2, toolCalls: 1 } });
  await pass();
  expect(heard().at(-1)).toBe(`user: [BACKGROUND COMPLETED: send, ${unit.id}]`);
});
