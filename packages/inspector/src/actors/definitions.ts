/** Machines that were sent as the JSON of their configuration. */
import { type AnyStateMachine, createMachine } from 'xstate';
import { chartOf } from '../chart/chart-of.ts';
import type { Machine } from '../wire.ts';

export type Defined = { machine: AnyStateMachine; chart: Machine };

export type Definitions = {
  /** The machine of a definition; `undefined` for what is none: an actor without states, or what cannot be read. */
  of(definition: string): Defined | undefined;
};

/** A configuration without what it needs no names for: what was a function came as `{ type }`, and of a context only its shape matters. */
const configIn = (definition: string): Record<string, unknown> | undefined => {
  const config = JSON.parse(definition) as Record<string, unknown> | null;
  if (typeof config !== 'object' || config === null) return undefined;
  const hasStates = typeof config.states === 'object' && config.states !== null;
  if (!hasStates) return undefined;
  const { context: _, output: __, ...rest } = config;
  return rest;
};

export const openDefinitions = (): Definitions => {
  const known = new Map<string, Defined | undefined>();
  const read = (definition: string): Defined | undefined => {
    try {
      const config = configIn(definition);
      if (!config) return undefined;
      const machine = createMachine(config as never) as AnyStateMachine;
      return { machine, chart: chartOf(machine, `machine-${known.size + 1}`) };
    } catch {
      return undefined;
    }
  };
  return {
    of(definition) {
      if (!known.has(definition)) known.set(definition, read(definition));
      return known.get(definition);
    },
  };
};
