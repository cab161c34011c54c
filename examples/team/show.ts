/** What happens in the team: the live tree on a terminal, elsewhere lines, with who asked whom and who heard what. */
import { harmless, oneLine, showLiveTree } from '@troupe/cli';
import type { RunEvent } from '@troupe/protocol';
import type { Team } from './team.ts';

export const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** What somebody says, as a paragraph. */
export const tell = (who: string, text: string): void => say(`\n${who}: ${harmless(text).trim()}\n`);

/** Results that a run hears: it was woken for them, or is at work. */
const heardIn = (event: RunEvent): string[] => {
  const ids = event.type === 'run.started' ? event.job.metadata?.delivered : 'delivered' in event && event.delivered;
  return Array.isArray(ids) ? ids.map(String) : [];
};

/** Shows it until it is closed. On a terminal lines come above the tree. */
export const show = ({ runtime, manager }: Pick<Team, 'runtime' | 'manager'>) => {
  const nameOf = async (runId: string): Promise<string> => (await runtime.runs.get(runId))?.agent ?? runId;
  const view = showLiveTree(runtime.events$);
  const line = (text: string): void => view.say(oneLine(text));
  const called = (agentId: string): string => {
    const record = manager.agentOf(`subagent-${agentId}`);
    return record?.name ?? record?.config.role ?? agentId;
  };
  const asked = manager.events$.subscribe(({ type, agentId, parentId }) => {
    const task = manager.agentOf(`subagent-${agentId}`)?.run?.task ?? '';
    if (type === 'spawning')
      line(`↗ ${parentId === null ? 'planner' : called(parentId)} asks ${called(agentId)}: ${task.slice(0, 80)}`);
  });
  const heard = runtime.events$.subscribe((event) => {
    for (const id of heardIn(event))
      void nameOf(id.replace(/^result\./, '')).then((name) => line(`↙ ${event.agent} hears what ${name} has done`));
  });
  return {
    close(): Promise<void> {
      asked.unsubscribe();
      heard.unsubscribe();
      view.close();
      return view.done;
    },
  };
};

/** Ctrl-C ends the team in order; once more ends the process. */
export const interruptOn = (team: Pick<Team, 'interrupt'>) => {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    void team.interrupt().finally(() => controller.abort());
  };
  process.on('SIGINT', onSignal);
  return { signal: controller.signal, forget: () => void process.off('SIGINT', onSignal) };
};
