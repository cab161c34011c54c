import { createRuntime, defineAgent } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { consoleLogger, randomIds, systemClock } from '../../src/defaults/system.ts';

const key = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789';

describe('without any set-up', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('warnings and errors come to the console, without secrets', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const error = vi.spyOn(console, 'error').mockReturnValue();
    consoleLogger.warn(`The key ${key} is refused.`);
    consoleLogger.error('It failed.', { apiKey: key, status: 401 });
    consoleLogger.error('It failed again.');
    consoleLogger.warn('Once more.', { status: 500 });
    const said = JSON.stringify([warn.mock.calls, error.mock.calls]);
    expect(said).not.toContain(key);
    expect(said).toContain('401');
    expect(error.mock.calls[1]).toEqual(['It failed again.']);
    expect(warn.mock.calls[1]).toEqual(['Once more.', { status: 500 }]);
  });

  test('an observer that throws is told to the console', async () => {
    const error = vi.spyOn(console, 'error').mockReturnValue();
    const runtime = createRuntime({ provider: scriptedProvider(['Done.']), model: 'm' });
    runtime.events$.subscribe(() => {
      throw new Error('no');
    });
    await runtime.run(defineAgent({ name: 'a', instructions: '' }), 'go');
    expect(error).toHaveBeenCalled();
    await runtime.close();
  });

  test('ids sort by the time they were made, and do not repeat', () => {
    const ids = Array.from({ length: 1_000 }, () => randomIds.next('run'));
    expect(new Set(ids).size).toBe(1_000);
    expect(ids.every((id) => /^run_[0-9a-z]{20}$/.test(id))).toBe(true);
    const stamps = ids.map((id) => id.slice(0, 13));
    expect(stamps).toEqual(stamps.toSorted());
  });

  test('time is the time of the machine, and a timer that was cleared does not ring', async () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
    const rang = await new Promise((resolve) => {
      const first = systemClock.setTimeout(() => resolve('first'), 0);
      systemClock.clearTimeout(first);
      systemClock.setTimeout(() => resolve('second'), 1);
    });
    expect(rang).toBe('second');
  });
});
