import { createRuntime } from '@troupe/core';
import { createSubagentCommands, createSubagentManager, sourceOf, withSource } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

const provider = scriptedProvider(() => ({ text: 'Twelve of them.', delayMs: 20 }));
const runtime = createRuntime({ provider, model: 'scripted' });
const manager = createSubagentManager(runtime);
const commands = createSubagentCommands(manager, { authorise: ({ channel }) => channel !== 'public' });

// What a gateway knows of whoever wrote.
const sender = { sessionKey: 'chat_7', channel: null, metadata: { chat_id: 7 }, replyTo: 'message_1' };
const say = async (text: string) => console.log((await commands.handle({ text, sender })) ?? 'For the agent.');

// Every event on its way to a user says which agent it comes from.
runtime.events$.pipe(withSource(manager, runtime)).subscribe(({ type, source }) => {
  if (type === 'run.completed') console.log(type, source.type, source.subagentName);
});

await say('How many files are there?');
await say('/subagents spawn --name counter --keywords files, folders -- Count the files.');
await manager.collect({ sessionKey: 'chat_7', timeoutMs: 5_000 });
await say('/agents list');
await say('/agents resume counter Count them again.');
await manager.collect({ sessionKey: 'chat_7', timeoutMs: 5_000 });
await say('/agents cancel all');
console.log(sourceOf(manager, 'chat_7').type);
await runtime.close();
