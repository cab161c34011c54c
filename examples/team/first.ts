// node examples/team/first.ts STORE_FILE TASK
//
// The first process of the team: it gives the planner its task, and kills itself while a sub-agent of a sub-agent is at work.
import { oneLine, openModel } from '@troupe/cli';
import { messageOf } from '@troupe/protocol';
import { interruptOn, say, show, tell } from './show.ts';
import { openTeam } from './team.ts';

const [storeFile = '', task = ''] = process.argv.slice(2);
process.stdout.on('error', () => {});

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${oneLine(messageOf(error))}\n`);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  await using model = await openModel();
  const team = await openTeam(storeFile, model);
  say(`${model.notice}\nStore: ${storeFile}\nFolder: ${team.folder.root}`);
  tell('You', task);
  const view = show(team);
  const stop = interruptOn(team);

  const die = async (when: string): Promise<void> => {
    await view.close();
    say(`\n✂ ${when}: this process is killed now (SIGKILL).`);
    process.kill(process.pid, 'SIGKILL');
  };
  const nested = new Map<string, string>();
  team.runtime.events$.subscribe((event) => {
    if (event.type === 'run.started' && team.manager.agentOf(event.sessionKey ?? '')?.depth === 2)
      nested.set(event.runId, event.agent);
    if (event.type === 'turn.completed' && nested.has(event.runId)) void die(`${event.agent} has taken its first turn`);
  });
  await (await team.session.send(task)).ended;
  await team.rest(stop.signal);
  // A model may do without a reviewer.
  if (!stop.signal.aborted) await die('Nobody was spawned by a sub-agent, and all is done');
  await view.close();
  await team.close();
  return 130;
}
