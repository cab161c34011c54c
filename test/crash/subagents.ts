// node test/crash/subagents.ts FOLDER MODEL_URL STORY
//
// A program that somebody kills: it has two named sub-agents, ann and, below her, bob. Its stories:
//   hold  gives each a first task, then one that the model does not answer
//   idle  gives each a task and waits until nobody is at work
//   on    takes up what it finds, and gives each one task after another
//   last  takes up what it finds, ends it, and then itself
import { isFaultError } from '@troupe/protocol';
import { isQuiet, lead, openOffice, until } from './subagents-office.ts';

const [folder = '', url = '', story = ''] = process.argv.slice(2);
const office = openOffice({ folder, url, apiKey: process.env.PROVIDER_KEY ?? '' });
const { runtime, manager, store } = office;
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

await manager.ready;
const { skipped } = await runtime.recover();
if (skipped.length > 0) throw new Error(`Skipped: ${JSON.stringify(skipped)}`);

// A session is its agent's from its first run on: then it can be woken.
if ((await runtime.runs.list({ sentTo: 'chat', limit: 1 })).length === 0)
  await (await runtime.session(lead, { sessionKey: 'chat' }).send('Hello.')).report;

const names = ['ann', 'bob'];
const found = async (name: string) => (await manager.listPersistent()).find((each) => each.name === name);

/** Ann is asked for by the session "chat", bob by ann. */
const ask = async (name: string, task: string) => {
  const known = await found(name);
  if (known) return manager.resume({ name, task, scope: 'chat' });
  const config = { provider: 'paid', routing: name === 'ann' ? ('orchestrated' as const) : ('direct' as const) };
  if (name === 'ann') return manager.spawn({ name, task, config, scope: 'chat' });
  return manager.spawn({ name, task, config, parentId: (await found('ann'))?.agentId ?? null });
};

const isActive = async (name: string): Promise<boolean> => {
  const state = (await found(name))?.state;
  return state === 'pending' || state === 'running';
};

/** What it was asked by this program, ever. */
const tasksOf = async (name: string): Promise<number> => {
  const sessionKey = (await found(name))?.sessionKey;
  if (sessionKey === undefined) return 0;
  const rows = await runtime.runs.list({ sentTo: sessionKey, limit: Number.MAX_SAFE_INTEGER });
  return rows.filter(({ job }) => String(job.input).startsWith('task ')).length;
};

/** One task after another; a wake may be quicker. */
const keepBusy = async (name: string): Promise<never> => {
  for (;;) {
    await until(async () => !(await isActive(name)));
    await ask(name, `task ${await tasksOf(name)}`).catch((error: unknown) => {
      if (!isFaultError(error) || error.details?.kind !== 'active') throw error;
    });
  }
};

const stories: Record<string, () => Promise<unknown>> = {
  async hold() {
    for (const name of names) {
      await ask(name, 'task 0');
      await until(() => isQuiet(office));
    }
    for (const name of names) await ask(name, 'task 1, held');
    say(await manager.listPersistent());
  },
  async idle() {
    for (const name of names) await ask(name, 'task 0');
    await until(() => isQuiet(office));
    say(await manager.listPersistent());
    setInterval(() => {}, 60_000);
  },
  async on() {
    say('ready');
    if (!(await found('ann'))) await ask('ann', 'task 0');
    await Promise.all(names.map(keepBusy));
  },
  async last() {
    say('ready');
    await until(() => isQuiet(office));
    await runtime.close();
    await store.close();
  },
};
await stories[story]?.();
