import { type Message, type Part, textOfMessage } from '@troupe/protocol';
import type OpenAI from 'openai';
import { fileNameOf, isData, isImage } from './attachment.ts';
import { sentArguments } from './call-arguments.ts';
import { carryAttachments } from './carry-attachments.ts';

type InputItem = OpenAI.Responses.ResponseInputItem;
type InputPart =
  | OpenAI.Responses.ResponseInputText
  | OpenAI.Responses.ResponseInputImage
  | OpenAI.Responses.ResponseInputFile;

/** Users and tools can show images and files on this wire. */
const able = new Set<Message['role']>(['user', 'tool']);

/** A conversation as Responses takes it. */
export const responsesInput = (messages: readonly Message[]): InputItem[] =>
  carryAttachments(messages, able).flatMap(inputItems);

const inputItems = (message: Message): InputItem[] => {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: textOfMessage(message) }];
    case 'user':
      return [{ role: 'user', content: inputContent(message) }];
    case 'tool':
      return [{ type: 'function_call_output', call_id: message.callId ?? '', output: inputContent(message) }];
    case 'assistant':
      return assistantItems(message);
  }
};

const assistantItems = (message: Message): InputItem[] => {
  const text = textOfMessage(message);
  const calls = (message.calls ?? []).map(
    ({ id, name, arguments: json }): InputItem => ({
      type: 'function_call',
      call_id: id,
      name,
      arguments: sentArguments(json),
    }),
  );
  return text === '' && calls.length > 0 ? calls : [{ role: 'assistant', content: text }, ...calls];
};

const inputContent = (message: Message): string | InputPart[] =>
  typeof message.content === 'string' ? message.content : message.content.map(inputPart);

const inputPart = (part: Part): InputPart => {
  if (part.type === 'text') return { type: 'input_text', text: part.text };
  if (isImage(part)) return { type: 'input_image', image_url: part.url, detail: 'auto' };
  return isData(part)
    ? { type: 'input_file', filename: fileNameOf(part), file_data: part.url }
    : { type: 'input_file', file_url: part.url };
};
