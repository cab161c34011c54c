import type { Message, StoredEvent } from '@troupe/protocol';
import { bodyAt, summaryMessage, withMemory } from '../agent/conversation.ts';

/**
 * A conversation with what one event added to it. Folded over the stored events of a run, from its opening messages, it gives the
 * conversation as the model sees it (secrets aside): a conversation is stored once, as events.
 */
export const hear = (messages: Message[], event: StoredEvent): Message[] => {
  switch (event.type) {
    case 'memory.read':
      return event.text === undefined ? messages : withMemory(messages, event.text);
    case 'turn.started':
      for (const content of event.heard ?? []) messages.push({ role: 'user', content });
      return messages;
    case 'turn.completed':
      messages.push(event.message);
      return messages;
    case 'call.completed':
    case 'call.failed':
      messages.push({ role: 'tool', callId: event.callId, content: event.result });
      return messages;
    case 'context.compacted': {
      // Of what was summarised some may have been forgotten since, with the run that it was said in.
      const at = bodyAt(messages);
      const summarized = Math.max(0, messages.length - at - event.kept);
      return messages.toSpliced(at, summarized, summaryMessage(event.summary));
    }
    default:
      return messages;
  }
};
