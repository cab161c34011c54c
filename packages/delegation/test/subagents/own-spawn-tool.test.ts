import { describe, expect, test } from 'vitest';
import { openOffice, settle } from './office.ts';

describe('a sub-agent that may spawn', () => {
  test.each([undefined, 'hire'])(
    '[SB-014, B-44] has the tool for it, which the manager makes (named %s)',
    async (name) => {
      const office = openOffice({ manager: { ...(name !== undefined && { spawnToolName: name }) } });
      await office.manager.spawn({ task: 'lead', config: { allowSubagents: true } });
      await office.manager.spawn({ task: 'follow' });
      await settle();
      const offered = office.provider.requests.map(({ request }) => request.tools.map((tool) => tool.name));
      expect(offered[0]).toContain(name ?? 'spawn');
      expect(offered[1]).not.toContain(name ?? 'spawn');
    },
  );
});
