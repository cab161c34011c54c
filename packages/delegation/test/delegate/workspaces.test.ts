/** Folders that children have to themselves: given before any of them starts, and not again. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '@troupe/core';
import type { JSONValue, Report } from '@troupe/protocol';
import type { Script } from '@troupe/testing';
import { afterAll, describe, expect, test } from 'vitest';
import type { GiveWorkspace, WorkspaceRequest } from '../../src/index.ts';
import { createDelegateTool } from '../../src/index.ts';
import { calling, eventsOf, requestsOf, settle } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, errorIn, openAgain, openLead, resultIn, toldIn } from './lead.ts';

const top = realpathSync(mkdtempSync(join(tmpdir(), 'workspaces-')));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const folderNamed = (name: string): string => {
  mkdirSync(join(top, name), { recursive: true });
  return join(top, name);
};
const toldTo = (troupe: Parameters<typeof requestsOf>[0], agent: string): string | undefined =>
  /WORKSPACE PATH:\n(.*)\n/.exec(String(requestsOf(troupe, agent)[0]?.request.messages[0]?.content))?.[1];

const three = { tasks: [{ goal: 'a' }, { goal: 'b', role: 'orchestrator' }, { goal: 'c' }] };
const answers = { 'task-1': ['A.'], 'task-2': ['B.'], 'task-3': ['C.'] };

/** Workspaces that note what they are asked. */
const noting = (fails: (runId: string) => Error | undefined = () => undefined) => {
  const given: string[] = [];
  const taken: string[] = [];
  return {
    given,
    taken,
    workspace: {
      give: async ({ runId, index }: WorkspaceRequest) => {
        given.push(runId);
        const problem = fails(runId);
        if (problem) throw problem;
        return folderNamed(`n${index}`);
      },
      takeBack: (runId: string) => {
        taken.push(runId);
        return runId.endsWith('/1') ? { path: '/kept', branch: 'own' } : undefined;
      },
    },
  };
};

describe('a workspace that is given to each child', () => {
  test('is its own: asked for in order, by who it will be, and told to no other [HM-173, HM-050]', async () => {
    const asked: WorkspaceRequest[] = [];
    const workspace = async (child: WorkspaceRequest) => {
      asked.push(child);
      return child.index === 2 ? undefined : folderNamed(`own-${child.index}`);
    };
    const troupe = delegatingOnce(three, answers, { options: { workspace, maxSpawnDepth: 2 } });
    const report = await troupe.run();
    const about = { parentRunId: report.runId, count: 3 };
    expect(asked).toEqual([
      { ...about, runId: `${report.runId}/1-0/0`, index: 0, goal: 'a', role: 'leaf' },
      { ...about, runId: `${report.runId}/1-0/1`, index: 1, goal: 'b', role: 'orchestrator' },
      { ...about, runId: `${report.runId}/1-0/2`, index: 2, goal: 'c', role: 'leaf' },
    ]);
    expect(entriesIn(report).map(({ run_id: id }) => id)).toEqual(asked.map(({ runId }) => runId));
    expect(['task-1', 'task-2', 'task-3'].map((agent) => toldTo(troupe, agent))).toEqual([
      join(top, 'own-0'),
      join(top, 'own-1'),
      undefined,
    ]);
  });

  test.each<[string, GiveWorkspace, RegExp]>([
    ['it is not there', ({ index }) => (index === 1 ? '/not/there' : top), /"\/not\/there" is not an existing folder/],
    ['it is blank', ({ index }) => (index === 1 ? '' : top), /"" is not an existing folder/],
    [
      'it is a file',
      ({ index }) => {
        writeFileSync(join(top, 'file'), '');
        return index === 1 ? join(top, 'file') : top;
      },
      /file" is not an existing folder/,
    ],
    ['giving it throws', ({ index }) => (index === 1 ? Promise.reject(new Error('disk full')) : top), /disk full/],
  ])('is asked for before anybody starts: nobody does when %s [HM-173, B-53]', async (_, workspace, why) => {
    const troupe = delegatingOnce(three, answers, { options: { workspace } });
    const error = errorIn(await troupe.run());
    expect(error).toMatch(/^Task 1 has no workspace: .*\. Nothing was started\.$/);
    expect(error).toMatch(why);
    expect(eventsOf(troupe, 'child.requested')).toEqual([]);
  });

  test('is no secret: what an error says of one is not told [HM-173]', async () => {
    const workspace = () => {
      throw new Error('no entry with api_key=sk-0123456789abcdef0123456789abcdef');
    };
    const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { workspace } });
    expect(errorIn(await troupe.run())).not.toContain('sk-0123456789');
  });

  test('is given in the unit of a background delegation; when it cannot be had, the completion says so [HM-173, HM-155]', async () => {
    const script: Script = ({ messages }, { agent }) => {
      const said = String(messages.at(-1)?.content);
      if (agent !== 'lead') return 'Done.';
      return said === 'Do it.' ? calling(delegate({ goal: 'a' })) : said;
    };
    const heard = async (workspace: GiveWorkspace) => {
      const troupe = openLead(script, { options: { background: 'auto', workspace } });
      const report = await troupe.run();
      await settle();
      const { delegation_id: unit } = toldIn(report) as { delegation_id: string };
      return { unit, troupe, said: String(requestsOf(troupe, 'lead').at(-1)?.request.messages.at(-1)?.content) };
    };
    const asked: string[] = [];
    const done = await heard(({ runId, parentRunId }) => {
      asked.push(runId, parentRunId);
      return top;
    });
    expect(asked).toEqual([`${done.unit}/1-0/0`, expect.stringMatching(/^run/)]);
    expect(toldTo(done.troupe, 'task-1')).toBe(top);
    const failed = await heard(() => '/not/there');
    expect(failed.said).toContain('Task 0 has no workspace: "/not/there" is not an existing folder.');
    expect(requestsOf(failed.troupe, 'task-1')).toEqual([]);
  });

  test('is not given again after a restart: the child is made again of what it was told [HM-173, L7]', async () => {
    const store = { ...memoryStore(), lasting: true };
    let asked = 0;
    const workspace = ({ index }: WorkspaceRequest) => {
      asked += 1;
      return folderNamed(`life-${asked}-${index}`);
    };
    const first = delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': ['A.'], 'task-2': [{ hang: true }] },
      { options: { workspace }, store, open: true },
    );
    first.runtime.start(first.lead, 'Go.', { runId: 'r' });
    await settle();
    await first.runtime.close({ runs: 'suspend' });
    const second = openAgain({ lead: ['done'], 'task-2': ['B.'] }, store, { options: { workspace } });
    expect(await second.runtime.recover()).toMatchObject({ skipped: [] });
    expect(await (await second.runtime.attach('r')).ended).toMatchObject({ status: 'completed' });
    expect(asked).toBe(2);
    expect(toldTo(second as never, 'task-2')).toBe(join(top, 'life-2-1'));
  });

  test.each([
    ['given', true],
    ['not given', false],
  ])(
    'is not given again for a task that is tried again: what was %s is told to the next child, too [HM-173, HM-175]',
    async (_, isGiven) => {
      let asked = 0;
      const workspace = () => {
        asked += 1;
        return isGiven ? folderNamed('tried') : undefined;
      };
      const script: Script = ({ model, messages }, { agent }) => {
        if (agent !== 'lead') return model === 'second' ? 'Done.' : { hang: true };
        return messages.at(-1)?.content === 'Do it.' ? calling(delegate({ goal: 'a' })) : 'done';
      };
      const options = { workspace, timeoutMs: 100, timeoutFallbacks: [{ model: 'second' }] };
      const troupe = openLead(script, { options });
      const running = troupe.run();
      await settle();
      troupe.clock.increment(100);
      expect(entriesIn(await running)).toMatchObject([{ summary: 'Done.', fallback_attempt: 1 }]);
      const [first, second] = requestsOf(troupe, 'task-1').map(({ request }) => request.messages);
      expect(second).toEqual(first);
      expect(toldTo(troupe, 'task-1')).toBe(isGiven ? join(top, 'tried') : undefined);
      expect(asked).toBe(1);
    },
  );

  test.each([7, null, [3], {}, { give: () => undefined }])(
    'is refused as an option when it is none: %o',
    (workspace: JSONValue | object) => {
      expect(() => createDelegateTool({ workspace: workspace as never })).toThrow(
        /^workspace is .*Expected a folder or several, a function, or \{ give, takeBack \}/,
      );
    },
  );
});

describe('a workspace that is taken back', () => {
  test('is asked for when the children have ended; what is left stands in their entries [HM-173]', async () => {
    const { given, taken, workspace } = noting();
    const troupe = delegatingOnce(three, { ...answers, 'task-3': [{ fault: {} }] }, { options: { workspace } });
    const entries = entriesIn(await troupe.run());
    expect(taken).toEqual(given);
    expect(entries.map((entry) => entry.workspace)).toEqual([undefined, { path: '/kept', branch: 'own' }, undefined]);
    expect(entries[0]).not.toHaveProperty('workspace');
  });

  test('is named in the completion of a background delegation [HM-173, HM-155]', async () => {
    const script: Script = ({ messages }, { agent }) => {
      if (agent !== 'lead') return 'Done.';
      return messages.at(-1)?.content === 'Do it.' ? calling(delegate(three)) : 'Noted.';
    };
    const troupe = openLead(script, { options: { background: 'auto', workspace: noting().workspace } });
    await troupe.run();
    await settle();
    const told = String(requestsOf(troupe, 'lead').at(-1)?.request.messages.at(-1)?.content);
    expect(told.match(/Its workspace was kept: .*/g)).toEqual(['Its workspace was kept: /kept (branch own)']);
    const nameless = {
      ...noting().workspace,
      takeBack: (runId: string) => (runId.endsWith('/2') ? { path: '/no-branch' } : undefined),
    };
    const other = openLead(script, { options: { background: 'auto', workspace: nameless } });
    await other.run();
    await settle();
    expect(String(requestsOf(other, 'lead').at(-1)?.request.messages.at(-1)?.content)).toMatch(
      /Its workspace was kept: \/no-branch$/m,
    );
  });

  test.each(['in one life', 'in another life of the program'])(
    'is named %s when all have ended, and nothing else is, where each child is told of by itself [HM-159, HM-173]',
    async (when) => {
      const script: Script = ({ messages }, { agent }) => {
        if (agent !== 'lead') return agent === 'task-1' ? 'Done.' : { text: 'Done.', delayMs: 100 };
        return messages.at(-1)?.content === 'Do it.' ? calling(delegate(three)) : 'Noted.';
      };
      const { workspace } = noting();
      const takeBack = (runId: string) => {
        if (runId.endsWith('/0')) throw new Error('busy');
        return workspace.takeBack(runId);
      };
      const store = { ...memoryStore(), lasting: true };
      const options = { background: 'auto', completions: 'each', workspace: { ...workspace, takeBack } } as const;
      const heardBy = (troupe: Pick<ReturnType<typeof openLead>, 'provider'>) =>
        requestsOf(troupe, 'lead').flatMap(({ request }) => {
          const text = String(request.messages.at(-1)?.content);
          return text.startsWith('[ASYNC DELEGATION') ? [text] : [];
        });
      const first = openLead(script, { options, store, open: true });
      const { delegation_id: id } = toldIn(await first.run()) as { delegation_id: string };
      await settle();
      const heard: string[] = [];
      if (when === 'in one life') {
        first.clock.increment(100);
        for (let i = 0; i < 4; i++) await settle();
      } else {
        await first.runtime.close({ runs: 'suspend' });
        const again = openAgain(script, store, { options });
        await again.runtime.recover();
        await settle();
        again.clock.increment(100);
        for (let i = 0; i < 4; i++) await settle();
        heard.push(...heardBy(again));
      }
      heard.unshift(...heardBy(first));
      const all = heard.join('\n');
      expect(all.match(/TASK \d\/3 COMPLETE/g)).toHaveLength(3);
      expect(all.match(/ALL TASKS ENDED/g)).toHaveLength(1);
      expect(heard.at(-1)).toContain(
        [
          `[ASYNC DELEGATION: ALL TASKS ENDED — ${id}]`,
          'Each of them was told of by itself. This could not be told before.',
          'WARNINGS:\n- Task 0: its workspace was not taken back: busy.',
          'TASK 2/3: b\nIts workspace was kept: /kept (branch own)',
        ].join('\n\n'),
      );
    },
  );

  test('is taken back at once from those who have one when one cannot be had [HM-173, B-53]', async () => {
    const { taken, workspace } = noting((runId) => (runId.endsWith('/2') ? new Error('full') : undefined));
    const takeBack = async (runId: string) => {
      workspace.takeBack(runId);
      throw new Error('busy');
    };
    const troupe = delegatingOnce(three, answers, { options: { workspace: { ...workspace, takeBack } } });
    const report = await troupe.run();
    expect(errorIn(report)).toBe('Task 2 has no workspace: full. Nothing was started.');
    expect(taken).toEqual([`${report.runId}/1-0/0`, `${report.runId}/1-0/1`]);
  });

  test('is taken back when not all can be afforded, and nobody starts [HM-173, B-53]', async () => {
    const { given, taken, workspace } = noting();
    const lead = { budget: { descendants: 2 } };
    const troupe = delegatingOnce(three, answers, { options: { workspace }, lead });
    expect((await troupe.run()).calls[0]?.result).toMatch(/was not started/);
    expect([given.length, taken]).toEqual([3, given]);
  });

  test.each([0, 2])(
    'is taken back when its run is interrupted while the one of task %i is made [HM-173, HM-120]',
    async (at) => {
      const { given, taken, workspace } = noting();
      const gate = Promise.withResolvers<void>();
      const reached = Promise.withResolvers<void>();
      const slow = {
        ...workspace,
        give: async (child: WorkspaceRequest) => {
          if (child.index === at) {
            reached.resolve();
            await gate.promise;
          }
          return workspace.give(child);
        },
      };
      const troupe = delegatingOnce(three, answers, { options: { workspace: slow } });
      const run = troupe.runtime.start(troupe.lead, 'Go.');
      await reached.promise;
      await run.interrupt('enough');
      expect(await run.ended).toMatchObject({ status: 'interrupted', children: [] });
      gate.resolve();
      await settle();
      expect(given).toHaveLength(at + 1);
      expect(taken).toEqual(given);
    },
  );

  test('is taken back when its run is interrupted while it is handed on [HM-173, HM-175, HM-120]', async () => {
    const { given, taken, workspace } = noting();
    const gate = Promise.withResolvers<void>();
    const handed: string[] = [];
    const handOn = async (runId: string, toRunId: string) => {
      handed.push(runId, toRunId);
      await gate.promise;
    };
    const options = { workspace: { ...workspace, handOn }, timeoutMs: 100, timeoutFallbacks: [{ model: 'second' }] };
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': [{ hang: true }, 'A.'] }, { options });
    const run = troupe.runtime.start(troupe.lead, 'Go.');
    await settle();
    troupe.clock.increment(100);
    await settle();
    expect(handed).toEqual([`${run.id}/1-0/0`, `${run.id}/1-0/1`]);
    await run.interrupt('enough');
    const report = await run.ended;
    gate.resolve();
    await settle();
    expect(entriesIn(report as Report)).toMatchObject([{ status: 'timeout' }]);
    expect(taken).toEqual(given);
    expect(requestsOf(troupe, 'task-1')).toHaveLength(1);
  });

  test('is named where that went wrong, and nothing else is lost by it [HM-173]', async () => {
    const { workspace } = noting();
    const takeBack = (runId: string) => {
      if (runId.endsWith('/0')) throw new Error('busy');
      return workspace.takeBack(runId);
    };
    const troupe = delegatingOnce(three, answers, { options: { workspace: { ...workspace, takeBack } } });
    const { results, warnings } = resultIn(await troupe.run());
    expect(results.map(({ summary }) => summary)).toEqual(['A.', 'B.', 'C.']);
    expect(results[1]?.workspace).toEqual({ path: '/kept', branch: 'own' });
    expect(warnings).toEqual(['Task 0: its workspace was not taken back: busy.']);
  });
});
