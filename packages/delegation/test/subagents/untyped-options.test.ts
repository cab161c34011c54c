import { createSubagentManager } from '@troupe/delegation';
import { FaultError } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { expect, test } from 'vitest';
import { openRuntime } from '../../../../test/support/open-runtime.ts';

/** Calls it as a program without types does. */
const faultBy = (...given: unknown[]): unknown => {
  try {
    return Reflect.apply(createSubagentManager, undefined, given);
  } catch (error) {
    return error;
  }
};

test.each<[string, unknown[], RegExp]>([
  ['nothing', [], /as its runtime undefined\. Expected what createRuntime gives/],
  ['its options alone', [{ tools: [], maxDepth: 3 }], /as its runtime an object with tools, maxDepth\. Expected/],
  ['what makes a runtime', [() => {}], /as its runtime a function, which may be one to be called\. Expected/],
])('[BG-051] a manager of sub-agents is refused that was given %s', (_what, given, message) => {
  const fault = faultBy(...given);
  expect(fault).toBeInstanceOf(FaultError);
  expect(fault).toMatchObject({ code: 'subagent.invalid', message: expect.stringMatching(message) });
});

test.each<[string, unknown, RegExp]>([
  ['that are none', null, /options of a sub-agent manager are null\. Expected \{ … \}/],
  ['with tools by name', { tools: { read: {} } }, /option tools .* is an object with read\. Expected a list of tools/],
  [
    'with what makes a tool',
    { tools: [function createSearch() {}] },
    /option tools .* has at \[0\] a function, which may be one to be called\. Expected a tool, made by/,
  ],
  ['with one skill', { skills: { tools: 'read' } }, /option skills\.tools .* is a string\. Expected a list of tools/],
])('[BG-051] a manager of sub-agents is refused with options %s', (_what, options, message) => {
  const { runtime } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
  const fault = faultBy(runtime, options);
  expect(fault).toBeInstanceOf(FaultError);
  expect(fault).toMatchObject({ code: 'subagent.invalid', message: expect.stringMatching(message) });
});
