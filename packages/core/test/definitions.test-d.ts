/** What the types of definitions promise. */
import type {
  Agent,
  Approval,
  Dispatch,
  defineAgent,
  dispatched,
  Report,
  RunView,
  ToolOptions,
  UnitEnd,
} from '@troupe/core';
import type { JSONValue, ModelProvider } from '@troupe/protocol';
import { expectTypeOf } from 'vitest';

type Options = Parameters<typeof defineAgent>[0];

// A policy on questions is one of three words, and an agent shows it.
expectTypeOf<Options['approval']>().toEqualTypeOf<Approval | undefined>();
expectTypeOf<Agent['approval']>().toEqualTypeOf<'bubble' | 'deny' | 'allow' | undefined>();

// What becomes of an answer that does not fit is one of two words; `data` of a report may be missing with either.
expectTypeOf<Options['outputMismatch']>().toEqualTypeOf<'fail' | 'keep' | undefined>();
expectTypeOf<Report<{ n: number }>['data']>().toEqualTypeOf<{ n: number } | undefined>();

// A provider of its own, and no memory at all, where an agent says so.
expectTypeOf<Options['provider']>().toEqualTypeOf<ModelProvider | undefined>();
expectTypeOf<Agent['memoryScope']>().toEqualTypeOf<string | null | undefined>();

// How often a tool may be called in one turn is a number, or what a view of the run says.
expectTypeOf<ToolOptions['maxPerTurn']>().toEqualTypeOf<number | ((view: RunView) => number) | undefined>();

// What a call gives its unit along is JSON, also where the unit reads it; and how a unit ended is one of three words.
expectTypeOf<Dispatch['data']>().toEqualTypeOf<JSONValue>();
expectTypeOf<NonNullable<RunView['unit']>['data']>().toEqualTypeOf<JSONValue>();
expectTypeOf<ReturnType<typeof dispatched>>().toExtend<Awaited<ReturnType<ToolOptions['execute']>>>();
expectTypeOf<UnitEnd['status']>().toEqualTypeOf<'completed' | 'failed' | 'interrupted'>();
expectTypeOf<Parameters<NonNullable<ToolOptions['completion']>>>().toEqualTypeOf<[UnitEnd]>();
