export { createSubworkerTool, createSwarmTool } from './create-subworker-tool.ts';
export type { SubworkerOptions } from './subworker-options.ts';
export type { SubworkerData } from './subworker-result.ts';
