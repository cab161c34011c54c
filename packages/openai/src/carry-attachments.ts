import { type Message, type Part, textOfMessage } from '@troupe/protocol';

/**
 * Moves images and files out of messages whose role cannot carry them on this wire, into a user message that follows.
 * Answers to the calls of one turn stay together: the user message comes after the last of them.
 *
 * @param able Roles that carry images and files themselves.
 */
export const carryAttachments = (messages: readonly Message[], able: ReadonlySet<Message['role']>): Message[] => {
  const out: Message[] = [];
  let carried: Part[] = [];
  const unload = () => {
    if (carried.length > 0) out.push({ role: 'user', content: carried });
    carried = [];
  };
  for (const message of messages) {
    if (message.role !== 'tool') unload();
    const attached = able.has(message.role) ? [] : attachmentsOf(message);
    if (attached.length === 0) {
      out.push(message);
      continue;
    }
    out.push({ ...message, content: textOfMessage(message) });
    carried.push({ type: 'text', text: originOf(message) }, ...attached);
  }
  unload();
  return out;
};

const attachmentsOf = ({ content }: Message): Part[] =>
  typeof content === 'string' ? [] : content.filter((part) => part.type !== 'text');

const originOf = ({ role, callId }: Message): string =>
  role === 'tool' ? `Attached to the result of call ${callId ?? ''}:` : `Attached to the ${role} message above:`;
