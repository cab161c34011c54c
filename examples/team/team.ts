/** The team, as each process opens it: a planner in a session, and a manager of the sub-agents that it spawns, over one file. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenModel } from '@troupe/cli';
import { createRuntime } from '@troupe/core';
import { createSpawnTool, createSubagentManager } from '@troupe/delegation';
import { isEnded } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { Folder } from '../review/folder.ts';
import { budget, planner } from './agents.ts';
import { folderTools } from './tools.ts';

const sessionKey = 'team';

export const openTeam = async (storeFile: string, model: Pick<OpenModel, 'provider' | 'name' | 'pricing'>) => {
  const work = join(dirname(storeFile), 'work');
  await mkdir(work, { recursive: true });
  const folder = await Folder.open(work);
  const store = sqliteStore(storeFile);
  const spawn = createSpawnTool(() => manager);
  const lead = planner(spawn);
  const { provider, name, pricing } = model;
  const runtime = createRuntime({ provider, model: name, pricing, store, budget, agents: [lead] });
  // Sub-agents that may spawn have such a tool by themselves.
  const manager = createSubagentManager(runtime, { tools: folderTools(folder) });
  const session = runtime.session(lead, { sessionKey });
  await manager.ready;

  /** Nobody is at work, and no result is on its way to whoever asked for it. */
  const isQuiet = async (): Promise<boolean> => {
    const { active, recent } = await manager.status();
    const ended = await Promise.all(recent.map(({ agentId }) => manager.info(agentId)));
    const handed = ended.every((each) =>
      manager.agentOf(each?.sessionKey ?? '')?.delivered.some(({ runId }) => runId === each?.runId),
    );
    const mail = store.sessionInbox();
    const rows = await runtime.runs.list();
    // Nobody is woken for what was cancelled.
    const cancelled = new Set(rows.flatMap(({ runId, status }) => (status === 'interrupted' ? `result.${runId}` : [])));
    return (
      handed &&
      active.length === 0 &&
      mail.every(({ id }) => cancelled.has(id)) &&
      rows.every(({ status }) => isEnded(status))
    );
  };

  return {
    runtime,
    manager,
    session,
    store,
    folder,
    /** Until there is nothing left to wait for. */
    async rest(signal: AbortSignal): Promise<void> {
      while (!signal.aborted && !(await isQuiet())) await sleep(100, undefined, { signal }).catch(() => {});
    },
    /** What the planner said last. */
    async answer(): Promise<string> {
      const [last] = await runtime.runs.list({ sentTo: sessionKey, limit: 1 });
      const report = last && (await (await runtime.attach(last.runId)).report);
      if (report?.status === 'completed') return report.text ?? '';
      throw new Error(`The planner ${report?.status ?? 'was never asked'}: ${report?.fault?.message ?? 'no reason'}`);
    },
    async interrupt(): Promise<void> {
      await manager.close({ runs: 'interrupt' });
      await session.interrupt('Ctrl-C');
    },
    async close(): Promise<void> {
      await manager.close();
      await runtime.close();
      await store.close();
    },
  };
};
export type Team = Awaited<ReturnType<typeof openTeam>>;
