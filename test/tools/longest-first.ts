// A vitest sequencer: the longest files start first, so that the last to end is a short one. Vitest knows what took long from the
// run before, which a fresh clone has not had.
import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const longest = [
  'test/pack.test.ts',
  'packages/core/test/paths/crash-paths.test.ts',
  'packages/core/test/paths/agent-paths.test.ts',
  'packages/store-sqlite/test/contracts.test.ts',
  'packages/pg-boss/test/kills.test.ts',
  'packages/store-postgres/test/contracts.test.ts',
  'packages/store-postgres/test/connections.test.ts',
  'packages/store-postgres/test/trouble.test.ts',
  'test/demo/demo.test.ts',
  'test/crash/kill.test.ts',
  'packages/core/test/worlds/crash-worlds.test.ts',
  'packages/core/test/recovery/crashes.test.ts',
  'packages/core/test/replay/forks.test.ts',
  'packages/core/test/worlds/worlds.test.ts',
  'packages/core/test/worlds/wild-worlds.test.ts',
  'packages/core/test/worlds/chart.test.ts',
  'packages/delegation/test/delegate/trees.test.ts',
  'packages/store-sqlite/test/writing.test.ts',
  'packages/store-sqlite/test/processes.test.ts',
  'packages/store-sqlite/test/kills.test.ts',
  'packages/store-postgres/test/processes.test.ts',
  'packages/pg-boss/test/contract.test.ts',
  'test/many-machines.test.ts',
  'test/examples.test.ts',
  'test/crash/units.test.ts',
  'test/demo/research.test.ts',
  'test/two-processes.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = longest.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)));
    if (gone.length > 0)
      throw new Error(`There is no ${gone.join(', ')}: bring test/tools/longest-first.ts up to date.`);
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.findIndex((path) => moduleId.endsWith(`/${path}`));
      return found === -1 ? longest.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
