/** What the tests of `delegate_task` begin with. */
import { createRuntime, type RuntimeOptions, type RunView, type Tool } from '@troupe/core';
import type { JSONValue, Report } from '@troupe/protocol';
import { type Script, type ScriptedCall, scriptedProvider } from '@troupe/testing';
import { onTestFinished } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { DelegateEntry, DelegateResult } from '../../src/delegate/delegation-result.ts';
import { createDelegateTool, type DelegateOptions } from '../../src/index.ts';
import { calling, leadWith, open, type Troupe } from '../delegating.ts';

/** A call of `delegate_task`. */
export const delegate = (args: Record<string, unknown>): ScriptedCall => ({ name: 'delegate_task', arguments: args });

/** Options of a tool that nobody looks at, that writes no file and is waited for. */
export const plain: DelegateOptions = { background: false, heartbeat: false, diagnostics: false, files: false };

type Opening = Partial<Parameters<typeof open>[1]> & {
  options?: DelegateOptions;
  tools?: readonly Tool[];
  lead?: Parameters<typeof leadWith>[1];
};
export type Delegating = Troupe & { lead: ReturnType<typeof leadWith>; run(job?: string): Promise<Report> };

/** A lead with `delegate_task` and other tools, and a script for it and its children (`task-1`, `task-2` …). */
export const openLead = (
  script: Script,
  { options = {}, tools = [], lead: about, ...runtime }: Opening = {},
): Delegating => {
  const tool = createDelegateTool({ ...plain, ...options });
  const lead = leadWith([tool, ...tools], about);
  const troupe = open(script, { agents: [lead], ...runtime });
  return { ...troupe, lead, run: (job = 'Do it.') => troupe.runtime.run(lead, job) as Promise<Report> };
};

/** The same troupe in another life of its program: what it tells begins in the middle. Closed by whoever opened it. */
export const openAgain = (
  script: Script,
  store: RuntimeOptions['store'],
  { options = {}, tools = [] }: Pick<Opening, 'options' | 'tools'>,
) => {
  const lead = leadWith([createDelegateTool({ ...plain, ...options }), ...tools]);
  const provider = scriptedProvider(script);
  const clock = new SimulatedClock();
  const logger = { warn: () => {}, error: () => {} };
  const runtime = createRuntime({
    agents: [lead],
    model: 'test-model',
    provider,
    clock,
    logger,
    ...(store && { store }),
  });
  onTestFinished(() => runtime.close({ runs: 'suspend' }));
  return { runtime, provider, clock, lead };
};

/** A lead that delegates once and then says `done`; its children answer as their script says. */
export const delegatingOnce = (
  args: Record<string, unknown>,
  children: Exclude<Script, readonly unknown[] | ((...args: never[]) => unknown)> = {},
  opening: Opening = {},
): Delegating => openLead({ lead: [calling(delegate(args)), 'done'], ...children }, opening);

/** The n-th call of a report as its model was told. */
export const toldIn = (report: Report, n = 0): JSONValue => JSON.parse(report.calls[n]?.result ?? 'null');
export const errorIn = (report: Report, n = 0): string => (toldIn(report, n) as { error: string }).error;

/** What a call of `delegate_task` gave, whether or not it counts as an error. */
export const resultIn = (report: Report, n = 0): DelegateResult => {
  const told = toldIn(report, n) as { data?: DelegateResult } & DelegateResult;
  return told.data ?? told;
};
export const entriesIn = (report: Report, n = 0): DelegateEntry[] => resultIn(report, n).results;

/** A view of a run, for what depends on nothing else. */
export const viewAt = (about: Partial<RunView> = {}): RunView => ({
  runId: 'run',
  rootId: 'run',
  agent: 'lead',
  tools: [],
  model: 'test-model',
  depth: 0,
  budget: { granted: {}, left: {} },
  spawningPaused: false,
  maySpawn: true,
  ...about,
});
