import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import type { Part } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { silent } from '../recovery/program.ts';

const image: Part = { type: 'image', url: 'data:image/png;base64,AAAA' };
const file: Part = { type: 'file', url: 'https://example.org/a.pdf', name: 'a.pdf' };
const look = { input: 'Look.', attachments: [image, file] };
const shown = { role: 'user', content: [{ type: 'text', text: 'Look.' }, image, file] };
const friend = defineAgent({ name: 'friend', instructions: 'Be kind.' });

const process = (script: Script, store = memoryStore()) => {
  const provider = scriptedProvider(script);
  const clock = new SimulatedClock();
  const runtime = createRuntime({ provider, model: 'm', store, clock, leaseMs: 0, agents: [friend], logger: silent });
  const session = runtime.session(friend, { sessionKey: 'k' });
  /** What people have said, as the model was shown it last. */
  const heard = () => provider.requests.at(-1)?.request.messages.filter(({ role }) => role === 'user');
  return { runtime, session, clock, heard, store };
};

describe('what was attached to a message of a session', () => {
  test('[B-03, B-09] is shown to the model, and again in the next run', async () => {
    const { session, heard } = process(['I see.', 'As I said.']);
    await (await session.send(look)).ended;
    expect(heard()).toEqual([shown]);
    await (await session.send('And now?')).ended;
    expect(heard()).toEqual([shown, { role: 'user', content: 'And now?' }]);
  });

  test('[B-09] is shown again in a run that was begun by what a program left', async () => {
    const { session, clock, heard } = process(['I see.', 'So it has.']);
    await (await session.send(look)).ended;
    await session.deliver({ id: 'a', text: 'The mail has come.' });
    await settle();
    clock.increment(1);
    await settle();
    expect(heard()).toEqual([shown, { role: 'user', content: 'The mail has come.' }]);
  });

  test('[B-09] is shown again by another process', async () => {
    const before = process(['I see.']);
    await (await before.session.send(look)).ended;
    await before.runtime.close();
    const after = process(['As I said.'], before.store);
    await (await after.session.send('And now?')).ended;
    expect(after.heard()).toEqual([shown, { role: 'user', content: 'And now?' }]);
  });

  test('[B-03, B-09] is shown where the run was at work, or waited for its turn, when the process ended', async () => {
    const before = process(() => ({ hang: true }));
    await before.session.send('Wait.', { runId: 'r1' });
    await before.session.send(look, { runId: 'r2' });
    await settle();
    await before.runtime.close({ runs: 'suspend' });
    const after = process(() => 'I see.', before.store);
    await after.runtime.recover();
    for (const id of ['r1', 'r2']) await (await after.runtime.attach(id)).ended;
    expect(after.heard()).toEqual([{ role: 'user', content: 'Wait.' }, shown]);
  });
});
