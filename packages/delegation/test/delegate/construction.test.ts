import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptedProvider } from '@troupe/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { workspaceOf } from '../../src/delegate/workspace.ts';
import { calling, eventsOf, requestsOf, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, errorIn, openLead } from './lead.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'delegate-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'file');
writeFileSync(file, '');

const messagesOf = (troupe: Parameters<typeof requestsOf>[0], agent = 'task-1') =>
  requestsOf(troupe, agent)[0]?.request.messages.map(({ role, content }) => [role, String(content)]) ?? [];

describe('a delegated child', () => {
  test('knows its task and nothing of the conversation of its parent [HM-050]', async () => {
    const troupe = delegatingOnce({ goal: 'Count the stars.', context: 'There are many.' }, { 'task-1': ['Nine.'] });
    await troupe.run('A secret plan.');
    const messages = messagesOf(troupe);
    expect(messages.map(([role]) => role)).toEqual(['system', 'user']);
    expect(messages[1]).toEqual(['user', 'Count the stars.']);
    const [[, system = ''] = []] = messages;
    expect(system).toContain('YOUR TASK:\nCount the stars.');
    expect(system).toContain('CONTEXT:\nThere are many.');
    expect(system).toMatch(/what you did.*what you found.*files you created or changed.*what went wrong/s);
    expect(JSON.stringify(messages)).not.toContain('secret plan');
    expect(JSON.stringify(messages)).not.toContain('You lead.');
  });

  test.each([undefined, '', '   '])('has no block for a context of %j [HM-050]', async (context) => {
    const troupe = delegatingOnce({ goal: 'a', context }, { 'task-1': ['A.'] });
    await troupe.run();
    expect(messagesOf(troupe)[0]?.[1]).not.toContain('CONTEXT');
  });

  test('is told a workspace only if it is an existing folder [HM-050, HM-052]', async () => {
    const told = async (workspace: string | string[]) => {
      const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }, { options: { workspace } });
      await troupe.run();
      return /WORKSPACE PATH:\n(.*)\n/.exec(String(messagesOf(troupe)[0]?.[1]))?.[1];
    };
    expect(await told(folder)).toBe(folder);
    expect(await told([join(folder, 'none'), file, folder, '/'])).toBe(folder);
    expect(await told([join(folder, 'none'), ''])).toBeUndefined();
    expect(workspaceOf(['~'])).toBe(homedir());
    expect(workspaceOf(['.'])).toBe(process.cwd());
    expect(workspaceOf(['~nobody'])).toBeUndefined();
  });

  test('takes model, settings and context handling of its parent; options come before them [HM-054, HM-056]', async () => {
    const children = { 'task-1': ['A.'] };
    const lead = {
      model: 'big',
      settings: { temperature: 0.5, reasoning: 'high' as const, region: 'eu' },
      compaction: { maxMessages: 9 },
    };
    const inherited = delegatingOnce({ goal: 'a' }, children, { lead });
    await inherited.run();
    expect(requestsOf(inherited, 'task-1')[0]?.request).toMatchObject({ model: 'big', settings: lead.settings });
    const options = { model: 'small', settings: { reasoning: 'off' as const } };
    const own = delegatingOnce({ goal: 'a' }, children, { lead, options });
    await own.run();
    expect(requestsOf(own, 'task-1')[0]?.request).toMatchObject({
      model: 'small',
      settings: { temperature: 0.5, reasoning: 'off', region: 'eu' },
    });
  });

  test('uses the provider that its parent brings [HM-054]', async () => {
    const own = scriptedProvider({ lead: [calling(delegate({ goal: 'a' })), 'done'], 'task-1': ['From its own.'] });
    const troupe = delegatingOnce({ goal: 'a' }, {}, { lead: { provider: own } });
    expect(entriesIn(await troupe.run())).toMatchObject([{ summary: 'From its own.' }]);
    expect(troupe.provider.requests).toEqual([]);
  });

  test('reaches another endpoint where its route leads, with the settings that mean something there [HM-055, HM-057, B-16, B-17]', async () => {
    const elsewhere = scriptedProvider(['From elsewhere.']);
    const reached: unknown[] = [];
    const connect = (to: unknown) => {
      reached.push(to);
      return elsewhere;
    };
    const route = { to: { baseURL: 'http://localhost:9/anthropic', apiKey: 'k-delegation', model: 'm2' }, connect };
    const lead = { settings: { temperature: 0.1, route_only: ['a'] } };
    const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { route }, lead });
    expect(entriesIn(await troupe.run())).toMatchObject([
      { status: 'completed', summary: 'From elsewhere.', model: 'm2' },
    ]);
    expect(reached).toEqual([
      { provider: 'custom', baseURL: 'http://localhost:9/anthropic', wire: 'messages', apiKey: 'k-delegation' },
    ]);
    expect(elsewhere.requests[0]?.request).toMatchObject({ model: 'm2', settings: { temperature: 0.1 } });
    expect(elsewhere.requests[0]?.request.settings).not.toHaveProperty('route_only');
    expect(JSON.stringify(troupe.events)).not.toContain('k-delegation');
  });

  test('has the model that its task names, of those that may be named, and no other [HM-173]', async () => {
    const options = { models: { fast: 'm-fast', deep: 'm-deep' } };
    const tasks = [{ goal: 'a', model: 'deep' }, { goal: 'b' }];
    const troupe = delegatingOnce({ tasks, model: 'fast' }, { 'task-1': ['A.'], 'task-2': ['B.'] }, { options });
    expect(entriesIn(await troupe.run()).map(({ model }) => model)).toEqual(['m-deep', 'm-fast']);
    const unknown = delegatingOnce({ goal: 'a', model: 'm-deep' }, {}, { options });
    expect(errorIn(await unknown.run())).toBe("unknown 'model'. Known are: fast, deep.");
    const closed = delegatingOnce({ goal: 'a', model: 'm-deep' }, { 'task-1': ['A.'] });
    expect(entriesIn(await closed.run())).toMatchObject([{ model: 'test-model' }]);
  });

  test.each([7, 8, 9])('sees the images of its task, 8 at most: %i [HM-173]', async (count) => {
    const images = Array.from({ length: count }, (_, i) => `https://example.com/${i}.png`);
    const troupe = delegatingOnce({ goal: 'a', images }, { 'task-1': ['A.'] }, { options: { offerImages: true } });
    const report = await troupe.run();
    if (count > 8) {
      expect(errorIn(report)).toBe('9 images provided, but at most 8 go along.');
      return;
    }
    const content = requestsOf(troupe, 'task-1')[0]?.request.messages.at(-1)?.content;
    expect(content).toEqual([{ type: 'text', text: 'a' }, ...images.map((url) => ({ type: 'image', url }))]);
  });

  test('sees no image that is no URL, and none where they are not offered [HM-173]', async () => {
    const refused = delegatingOnce({ goal: 'a', images: ['/etc/passwd'] }, {}, { options: { offerImages: true } });
    expect(errorIn(await refused.run())).toBe("'images' must be URLs (https: or data:).");
    const closed = delegatingOnce({ goal: 'a', images: ['https://example.com/a.png'] }, { 'task-1': ['A.'] });
    await closed.run();
    expect(requestsOf(closed, 'task-1')[0]?.request.messages.at(-1)?.content).toBe('a');
  });

  test('remembers nothing, has its own turns, and is marked as delegated [HM-053, HM-058]', async () => {
    const read: unknown[] = [];
    const memory = {
      read: (scope: string) => void read.push(scope),
      write: (scope: string) => void read.push(scope),
      search: () => [],
      reset: () => {},
    };
    const troupe = delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': ['A.'], 'task-2': ['B.'] },
      { memory },
    );
    const report = await troupe.run();
    expect(read).toEqual(['agent:lead', 'agent:lead']);
    const started = eventsOf(troupe, 'run.started').filter(({ depth }) => depth === 1);
    expect(started.map(({ runId, parentId, job, budget }) => [runId, parentId, job.metadata, budget.turns])).toEqual([
      [`${report.runId}/1-0/0`, report.runId, { delegation: { index: 0, count: 2, role: 'leaf' } }, 50],
      [`${report.runId}/1-0/1`, report.runId, { delegation: { index: 1, count: 2, role: 'leaf' } }, 50],
    ]);
  });

  test('is asked for before it starts, and both are told in that order [HM-059]', async () => {
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] });
    await troupe.run();
    const order = troupe.events.filter(({ type }) => type.startsWith('child.')).map(({ type }) => type);
    expect(order).toEqual(['child.requested', 'child.started', 'child.settled']);
  });
});

describe('a batch', () => {
  test('of which one cannot be afforded starts nobody, and says why once [B-53, HM-010, F-11]', async () => {
    const lead = { budget: { descendants: 2 } };
    const troupe = delegatingOnce({ tasks: ['a', 'b', 'c'].map((goal) => ({ goal })) }, {}, { lead });
    const report = await troupe.run();
    expect(report.calls[0]).toMatchObject({ status: 'error' });
    expect(report.calls[0]?.result).toMatch(/was not started/);
    expect(eventsOf(troupe, 'child.requested', 'child.started')).toEqual([]);
    expect(report.children).toEqual([]);
    expect(report.usage.turns).toBe(2);
  });

  test.each([2, 3])('of %i that can be afforded starts them all', async (descendants) => {
    const children = { 'task-1': ['A.'], 'task-2': ['B.'] };
    const troupe = delegatingOnce({ tasks: [{ goal: 'a' }, { goal: 'b' }] }, children, {
      lead: { budget: { descendants } },
    });
    expect(entriesIn(await troupe.run()).map(({ status }) => status)).toEqual(['completed', 'completed']);
  });
});

describe('a child of a child', () => {
  test('is made of the tools and the model of the one that delegates it [HM-041, HM-054]', async () => {
    const troupe = openLead(
      (request, { agent, depth }) => {
        const first = request.messages.at(-1)?.role === 'user';
        if (agent === 'lead')
          return first ? calling(delegate({ goal: 'a', role: 'orchestrator', toolsets: ['look'] })) : 'done';
        if (depth === 1) return first ? calling(delegate({ goal: 'b', toolsets: ['look', 'write'] })) : 'mid';
        return 'leaf';
      },
      { options: { maxSpawnDepth: 2, offerToolsets: true }, tools: [tool('look'), tool('write')] },
    );
    await troupe.run();
    const leaf = troupe.provider.requests.find(({ context }) => context.depth === 2);
    expect(leaf?.request.tools.map(({ name }) => name)).toEqual(['look']);
    expect(leaf?.request.model).toBe('test-model');
  });
});
