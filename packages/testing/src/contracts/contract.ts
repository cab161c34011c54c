/** A port's contract as a list of sentences, each with the steps that check it. */
export type Contract<Port> = readonly (readonly [sentence: string, check: (open: Open<Port>) => Promise<void>])[];

/** Opens a new, empty instance. */
export type Open<Port> = () => Port | Promise<Port>;

export type ContractOptions<Port> = {
  /** Called for every instance after its test. */
  close?: (port: Port) => void | Promise<void>;
  /** Closes an instance and opens what it left behind, as another process would: adds the tests of lasting adapters. */
  reopen?: (port: Port) => Port | Promise<Port>;
};
