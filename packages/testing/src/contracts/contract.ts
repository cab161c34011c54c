/** A port's contract as a list of sentences, each with the steps that check it. */
export type Contract<Port> = readonly (readonly [sentence: string, check: Check<Port>])[];

type Check<Port> = (open: () => Promise<Port>, time: TestTime) => Promise<void>;

/** What an instance is given to be opened with. */
export type Surroundings = {
  /** The time in epoch milliseconds: what it measures, it must measure by this. Stands still unless a test moves it. */
  readonly now: () => number;
};

/** The time of one test. */
export type TestTime = Surroundings & { pass(ms: number): void };

/** Opens a new, empty instance. */
export type Open<Port> = (surroundings: Surroundings) => Port | Promise<Port>;

export type ContractOptions<Port> = {
  /** Called for every instance after its test. */
  close?: (port: Port) => void | Promise<void>;
  /** Closes an instance in order and opens what it left behind, as another process would: adds the tests of lasting adapters. */
  reopen?: Reopen<Port>;
};

export type Reopen<Port> = (port: Port, surroundings: Surroundings) => Port | Promise<Port>;

/** Time that stands still until it is moved. */
export const openTime = (): TestTime => {
  let at = 1_700_000_000_000;
  return {
    now: () => at,
    pass(ms) {
      at += ms;
    },
  };
};
