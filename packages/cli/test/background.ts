/** An agent file whose agent gives a task to a child in the background, and is woken when that has ended. */
import { defineAgent } from '@troupe/core';
import { createDelegateTool } from '@troupe/delegation';
import { type Message, textOfMessage } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';

const turnFor = (messages: readonly Message[], agent: string): Turn => {
  const last = messages.at(-1);
  const text = last ? textOfMessage(last) : '';
  if (agent !== 'lead') return { text: 'Forty-two.', delayMs: 200 };
  if (last?.role === 'tool') return 'I have sent somebody.';
  if (text === 'go') return { calls: [{ name: 'delegate_task', arguments: { goal: 'Find the answer.' } }] };
  return 'The answer is forty-two.';
};

export default {
  agent: defineAgent({ name: 'lead', instructions: 'Delegate.', tools: [createDelegateTool()] }),
  provider: scriptedProvider(({ messages }, { agent }) => turnFor(messages, agent)),
  model: 'scripted',
};
