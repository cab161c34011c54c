export { type CrashOptions, type CrashOutcome, exploreCrashes, type Life } from './crash/explore-crashes.ts';
export { type Death, type MortalStore, mortalStore } from './crash/mortal-store.ts';
export { checkRunLaws, type LawOptions } from './laws/check-run-laws.ts';
export type { Violation } from './laws/log.ts';
export {
  type Script,
  type ScriptedProvider,
  type ScriptedRequest,
  scriptedProvider,
} from './model/scripted-provider.ts';
export type { ScriptedCall, Turn } from './model/turn.ts';
export type { Cases, LiveChild, Settlement } from './paths/cases.ts';
export { keyOf, type Path, pathsOf } from './paths/paths-of.ts';
export { possibleEvents } from './paths/possible-events.ts';
