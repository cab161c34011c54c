import { type Message, type Part, textOfMessage } from '@troupe/protocol';
import type OpenAI from 'openai';
import { fileNameOf, isData, isImage } from './attachment.ts';
import { sentArguments } from './call-arguments.ts';
import { carryAttachments } from './carry-attachments.ts';

type ChatMessage = OpenAI.ChatCompletionMessageParam;

/** Only users can show images and files on this wire. */
const able = new Set<Message['role']>(['user']);

/** A conversation as Chat Completions takes it. */
export const chatMessages = (messages: readonly Message[]): ChatMessage[] =>
  carryAttachments(messages, able).map(chatMessage);

const chatMessage = (message: Message): ChatMessage => {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: textOfMessage(message) };
    case 'user':
      return {
        role: 'user',
        content: typeof message.content === 'string' ? message.content : message.content.map(chatPart),
      };
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId ?? '', content: textOfMessage(message) };
    case 'assistant':
      return assistantMessage(message);
  }
};

const assistantMessage = (message: Message): ChatMessage => {
  const text = textOfMessage(message);
  if (!message.calls?.length) return { role: 'assistant', content: text };
  return {
    role: 'assistant',
    content: text === '' ? null : text,
    tool_calls: message.calls.map(({ id, name, arguments: json }) => ({
      id,
      type: 'function',
      function: { name, arguments: sentArguments(json) },
    })),
  };
};

const chatPart = (part: Part): OpenAI.ChatCompletionContentPart => {
  if (part.type === 'text') return { type: 'text', text: part.text };
  if (isImage(part)) return { type: 'image_url', image_url: { url: part.url } };
  if (isData(part)) return { type: 'file', file: { filename: fileNameOf(part), file_data: part.url } };
  // This wire takes files only as data; the model, or one of its tools, can still read where it is.
  return { type: 'text', text: `File "${fileNameOf(part)}": ${part.url}` };
};
