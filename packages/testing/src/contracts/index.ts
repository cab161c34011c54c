export type { ContractOptions, Open, Surroundings } from './contract.ts';
export { memoryStoreContract } from './memory-store-contract.ts';
export { type PlacementContractOptions, placementContract } from './placement-contract.ts';
export { runStoreContract } from './run-store-contract.ts';
