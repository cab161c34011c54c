/** A runtime with a manager of sub-agents over one file, as each process of a test opens it. */
import { join } from 'node:path';
import { createRuntime, defineAgent } from '@troupe/core';
import { createSubagentManager, type SubagentRecord } from '@troupe/delegation';
import { openai } from '@troupe/openai';
import { isEnded } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';

/** The agent of the session that sub-agents work for. */
export const lead = defineAgent({ name: 'lead', instructions: 'Lead.' });

/** @param apiKey The key of the provider that sub-agents name. */
export const openOffice = ({ folder, url, apiKey }: { folder: string; url: string; apiKey: string }) => {
  const store = sqliteStore(join(folder, 'runs.db'));
  const runtime = createRuntime({
    provider: openai({ apiKey: 'none', baseURL: url }),
    model: 'm',
    store,
    agents: [lead],
    maxWakes: Number.POSITIVE_INFINITY,
  });
  const manager = createSubagentManager(runtime, { providers: { paid: openai({ apiKey, baseURL: url }) } });
  return { store, runtime, manager };
};
export type Office = ReturnType<typeof openOffice>;

/** Until `is` holds of what is stored. */
export const until = async (is: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 10));
};

/** Sub-agents as they are stored. */
export const recordsIn = ({ store }: Pick<Office, 'store'>): SubagentRecord[] =>
  store.search('subagents:subagents', '', { limit: 100 }).map(({ value }) => value as unknown as SubagentRecord);

/**
 * Whether nobody is at work, every result was handed over, and nothing is left to tell. In this order: what has just been handed over is
 * in the inbox then, and what was taken out of there is a run.
 */
export const isQuiet = async (office: Office): Promise<boolean> => {
  const handed = new Set(recordsIn(office).flatMap(({ delivered }) => delivered.map(({ runId }) => runId)));
  const left = office.store.sessionInbox();
  const { active } = await office.manager.status();
  const rows = await office.runtime.runs.list({ limit: Number.MAX_SAFE_INTEGER });
  return (
    left.length === 0 &&
    active.length === 0 &&
    rows.every(({ status }) => isEnded(status)) &&
    // A record remembers no more than its latest.
    rows.slice(0, 10).every(({ runId, sessionKey }) => sessionKey === 'chat' || handed.has(runId))
  );
};
