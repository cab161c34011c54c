import { describe, expect, test } from 'vitest';
import { createSubworkerTool, type SubworkerOptions } from '../src/index.ts';
import {
  calling,
  errorIn,
  eventsOf,
  leadWith,
  offeredTo,
  open,
  requestsOf,
  shownTo,
  spawn,
  tool,
} from './delegating.ts';

/** Runs a lead that makes one call after another, and lists what its model was told. */
const play = async (
  options: SubworkerOptions,
  calls: Record<string, unknown>[],
  runtime: { model?: string | null } = {},
) => {
  const lead = [...calls.map((args) => calling(spawn(args))), 'Done.'];
  const troupe = open({ lead, helper: calls.map(() => 'Helped.') }, runtime);
  const agent = leadWith(createSubworkerTool(options), { model: 'lead-model', budget: { turns: 20 } });
  const report = await troupe.runtime.run(agent, 'Go.');
  return { troupe, report, told: shownTo(troupe) };
};

const modelsOf = (troupe: Awaited<ReturnType<typeof play>>['troupe']) =>
  requestsOf(troupe, 'helper').map(({ request }) => request.model);

describe('the model of a sub-worker', () => {
  test('is the first that the call, the tool or the runtime names; blank names nothing [BG-007]', async () => {
    const calls = [{ model: 'asked' }, { model: null }, { model: ' ' }, {}];
    const both = await play({ defaultModel: 'default' }, calls, { model: 'runtime' });
    expect(modelsOf(both.troupe)).toEqual(['asked', 'default', 'default', 'default']);
    const blankDefault = await play({ defaultModel: '' }, calls, { model: 'runtime' });
    expect(modelsOf(blankDefault.troupe)).toEqual(['asked', 'runtime', 'runtime', 'runtime']);
  });

  test('is missing when nobody names one: the call fails, without data [BG-007]', async () => {
    const { troupe, report, told } = await play({}, [{}], { model: null });
    expect(told).toEqual([JSON.stringify({ error: 'Subworker model is not configured' })]);
    expect(report.calls[0]).not.toHaveProperty('data');
    expect(eventsOf(troupe, 'child.requested')).toEqual([]);
    expect(report.status).toBe('completed');
  });

  test('must be allowed, also when it came from a default [BG-008]', async () => {
    const allowedModels = ['small'];
    const asked = await play({ allowedModels }, [{ model: 'huge' }, { model: 'small' }]);
    expect(errorIn(asked.told[0])).toBe('Model "huge" is not allowed for subworkers');
    expect(modelsOf(asked.troupe)).toEqual(['small']);
    const fromTool = await play({ allowedModels, defaultModel: 'medium' }, [{}]);
    expect(errorIn(fromTool.told[0])).toBe('Model "medium" is not allowed for subworkers');
    const fromRuntime = await play({ allowedModels }, [{}], { model: 'runtime' });
    expect(errorIn(fromRuntime.told[0])).toBe('Model "runtime" is not allowed for subworkers');
    // and nobody ran
    for (const { troupe } of [fromTool, fromRuntime]) {
      expect(await troupe.runtime.runs.list()).toHaveLength(1);
      expect(eventsOf(troupe, 'child.refused')).toEqual([]);
    }
  });
});

describe('the tools of a sub-worker', () => {
  const availableTools = [tool('grep'), tool('search'), tool('write')];

  test('may not be more than maxToolsPerSubworker, each repetition counted [BG-009]', async () => {
    const { told, troupe } = await play({ availableTools, maxToolsPerSubworker: 2 }, [
      { tools: ['grep', 'search', 'write'] },
      { tools: ['grep', 'grep', 'grep'] },
      { tools: ['grep', 'grep'] },
    ]);
    expect(errorIn(told[0])).toMatch(/^Too many tools requested .*3 > 2$/);
    expect(errorIn(told[1])).toMatch(/^Too many tools requested .*3 > 2$/);
    expect(offeredTo(troupe, 'helper')).toEqual([['grep']]);
  });

  test('are none at all when maxToolsPerSubworker is 0 [BG-009]', async () => {
    const { told, troupe } = await play({ availableTools, maxToolsPerSubworker: 0 }, [{ tools: ['grep'] }, {}]);
    expect(errorIn(told[0])).toMatch(/1 > 0$/);
    expect(offeredTo(troupe, 'helper')).toEqual([[]]);
  });

  test('must all be available; the error names every one that is not [BG-010]', async () => {
    const { told, troupe, report } = await play({ availableTools }, [{ tools: ['a', 'grep', 'b'] }]);
    expect(told).toEqual([JSON.stringify({ error: 'Requested tools are not available: a, b' })]);
    expect(report.calls[0]).not.toHaveProperty('data');
    expect(eventsOf(troupe, 'child.requested')).toEqual([]);
  });
});

describe('the checks of a spawn', () => {
  const wrong = { model: 'huge', tools: ['a', 'b'] };
  const full: SubworkerOptions = {
    maxSubworkers: 1,
    allowedModels: ['small'],
    maxToolsPerSubworker: 1,
    availableTools: [tool('grep')],
  };

  test('come in the order model, model allowed, tool count, tool names, budget [BG-011]', async () => {
    // given a tool whose only place is taken for good
    const calls = [
      { model: 'small' },
      wrong,
      { ...wrong, model: 'small' },
      { model: 'small', tools: ['a'] },
      { model: 'small', tools: ['grep'] },
    ];
    // when every call breaks one rule less than the one before
    const { told } = await play(full, calls, { model: null });
    // then each is told the first rule that it breaks
    expect(told.slice(1).map(errorIn)).toEqual([
      'Model "huge" is not allowed for subworkers',
      expect.stringContaining('2 > 1'),
      'Requested tools are not available: a',
      'Subworker budget exceeded: max_subworkers=1',
    ]);
    const { told: withoutModel } = await play({ ...full, allowedModels: [] }, [{ tools: ['a', 'b'] }], { model: null });
    expect(errorIn(withoutModel[0])).toBe('Subworker model is not configured');
  });

  test('take no place when they refuse [BG-011]', async () => {
    const calls = [
      wrong,
      { ...wrong, model: 'small' },
      { model: 'small', tools: ['a'] },
      { name: ' ', model: 'small' },
      { model: 'small' },
    ];
    const { report } = await play(full, calls);
    expect(report.calls.map(({ status }) => status)).toEqual(['error', 'error', 'error', 'error', 'ok']);
  });
});
