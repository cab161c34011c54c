/** The one way tests make a runtime: every event it tells is checked against the laws when the test ends. */
import { createRuntime, type Runtime, type RuntimeOptions } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';
import { expect, onTestFinished } from 'vitest';

const silent = { warn: () => {}, error: () => {} };

/** A runtime and everything it has told, live events included. Closed when the test ends. */
export type Opened = { runtime: Runtime; events: RunEvent[]; types(runId?: string): string[] };

/**
 * @param options.open True when runs are left paused, suspended or broken on purpose.
 * @param options.model `null` for a runtime without a default model.
 */
export const openRuntime = ({
  open = false,
  model = 'test-model',
  ...options
}: Omit<RuntimeOptions, 'model'> & { open?: boolean; model?: string | null }): Opened => {
  const runtime = createRuntime({ ...(model !== null && { model }), logger: silent, ...options });
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => {
    events.push(event);
  });
  onTestFinished(async () => {
    await runtime.close({ graceMs: 0 });
    expect(checkRunLaws(events, { open })).toEqual([]);
  });
  return {
    runtime,
    events,
    types: (runId) =>
      events
        .filter((event) => !('live' in event) && (runId === undefined || event.runId === runId))
        .map(({ type }) => type),
  };
};

/** Lets everything that is ready to happen, happen. Takes no time of any clock. */
export const settle = async (rounds = 20): Promise<void> => {
  for (let i = 0; i < rounds; i++) await new Promise<void>((resolve) => setImmediate(resolve));
};
