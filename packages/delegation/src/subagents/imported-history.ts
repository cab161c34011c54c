/** Reads a transcript of the older layout, one message a line, as a conversation that any model takes: each call has its answer. */
import type { Message, Part, ToolCall } from '@troupe/protocol';
import { type Fields, isFields } from './imported-config.ts';

/** What a transcript gave, and what of it could not be taken over. */
type History = { messages: Message[]; notes: string[] };

const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const listIn = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A file, where it can be reached from anywhere. One of another machine, or of a folder, is only named. */
const attached = (type: 'image' | 'file', url: string, mediaType?: string, name?: string): Part =>
  /^(https?|data):/i.test(url)
    ? {
        type,
        url,
        ...(mediaType && { mediaType }),
        ...(type === 'file' && name && { name }),
      }
    : { type: 'text', text: `[attached: ${[name, url].filter(Boolean).join(', ')}]` };

const texts: ReadonlySet<unknown> = new Set(['text', 'input_text', 'output_text']);

const dataUrl = (bytes: string, mediaType = 'application/octet-stream'): string =>
  /^data:/i.test(bytes) ? bytes : `data:${mediaType};base64,${bytes}`;

/** A piece of content in any of the shapes that vendors gave it; `undefined`: in none of them. */
const partIn = (piece: unknown): Part | undefined => {
  if (typeof piece === 'string') return { type: 'text', text: piece };
  if (!isFields(piece)) return undefined;
  const { type, text, image_url: image, source, file } = piece;
  if (typeof text === 'string' && texts.has(type)) return { type: 'text', text };
  const kind = /image/.test(String(type)) ? 'image' : 'file';
  const held: Fields = [image, file, source].find(isFields) ?? piece;
  const mediaType = textIn(held.media_type ?? held.mime_type ?? held.mediaType);
  const bytes = textIn(held.data ?? held.file_data);
  const url =
    textIn(image) ?? textIn(held.url ?? held.file_url ?? held.file_path) ?? (bytes && dataUrl(bytes, mediaType));
  return url === undefined ? undefined : attached(kind, url, mediaType, textIn(held.filename ?? held.name));
};

/** Files that stand beside the content, each once. */
const besides = ({ media, attachments }: Fields): Part[] => {
  const images = listIn(media).flatMap((url) => textIn(url) ?? []);
  const files = listIn(attachments)
    .filter(isFields)
    .flatMap((file) => {
      const url = textIn(file.workspace_path) || textIn(file.uri) || textIn(file.url);
      if (!url || images.includes(url)) return [];
      const mediaType = textIn(file.mime_type ?? file.file_type);
      const kind = mediaType?.startsWith('image/') ? 'image' : 'file';
      return [attached(kind, url, mediaType, textIn(file.name ?? file.file_name))];
    });
  return [...images.map((url) => attached('image', url)), ...files];
};

const contentIn = (fields: Fields): { content: string | Part[]; lost: number } | undefined => {
  const { content = null } = fields;
  const more = besides(fields);
  if (!Array.isArray(content)) {
    if (content !== null && typeof content !== 'string') return undefined;
    const text = content ?? '';
    if (more.length === 0) return { content: text, lost: 0 };
    return { content: [...(text === '' ? [] : [{ type: 'text' as const, text }]), ...more], lost: 0 };
  }
  const parts = content.map(partIn);
  const known = parts.filter((part) => part !== undefined);
  return { content: [...known, ...more], lost: parts.length - known.length };
};

const callIn = (value: unknown): ToolCall | undefined => {
  if (!isFields(value)) return undefined;
  const { name, arguments: given = {} } = isFields(value.function) ? value.function : value;
  if (typeof value.id !== 'string' || typeof name !== 'string') return undefined;
  return { id: value.id, name, arguments: typeof given === 'string' ? given : JSON.stringify(given) };
};

type Line = { message: Message; lost: number };

/** One message; `undefined`: it is none. */
const lineIn = (line: string): Line | undefined => {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isFields(fields)) return undefined;
  const { role } = fields;
  if (role !== 'system' && role !== 'user' && role !== 'assistant' && role !== 'tool') return undefined;
  const found = contentIn(fields);
  if (!found) return undefined;
  const { content, lost } = found;
  if (role === 'tool') {
    const callId = textIn(fields.tool_call_id);
    return callId === undefined ? undefined : { message: { role, content, callId }, lost };
  }
  const given = role === 'assistant' ? listIn(fields.tool_calls) : [];
  const calls = given.flatMap((call) => callIn(call) ?? []);
  return {
    message: { role, content, ...(calls.length > 0 && { calls }) },
    lost: lost + given.length - calls.length,
  };
};

/** How many calls and answers a conversation holds. */
const tied = (messages: readonly Message[]): number =>
  messages.reduce((sum, { role, calls = [] }) => sum + calls.length + Number(role === 'tool'), 0);

/** Each call with the answer that follows it. What has no counterpart is left out: vendors refuse a conversation that holds it. */
const paired = (given: readonly Message[]): Message[] => {
  const groups: { head: Message; answers: Message[] }[] = [];
  for (const message of given) {
    const last = groups.at(-1);
    if (message.role === 'tool' && last) last.answers.push(message);
    else groups.push({ head: message, answers: [] });
  }
  return groups.flatMap(({ head, answers }) => {
    if (head.role === 'tool') return [];
    const { calls: asked = [], ...said } = head;
    const answered = new Map(answers.toReversed().map((answer) => [answer.callId, answer]));
    const calls = [...new Map(asked.map((call) => [call.id, call])).values()].filter(({ id }) => answered.has(id));
    if (calls.length === 0) return said.content.length > 0 ? [said] : [];
    return [{ ...said, calls }, ...calls.flatMap(({ id }) => answered.get(id) ?? [])];
  });
};

/** How many lines a note names. */
const mostNamed = 10;

/** The conversation in a transcript. Lines that are no messages, and calls and answers without a counterpart, are left out with a note. */
export const historyIn = (transcript: string): History => {
  const lines = transcript.split('\n').map((line) => line.trim());
  const found = lines.map((line) => (line === '' ? undefined : lineIn(line)));
  const bad = lines.flatMap((line, at) => (line !== '' && !found[at] ? at + 1 : []));
  const read = found.filter((line) => line !== undefined);
  const said = read.map(({ message }) => message);
  const messages = paired(said);
  const lost = tied(said) - tied(messages);
  const pieces = read.reduce((sum, line) => sum + line.lost, 0);
  const notes: string[] = [];
  if (bad.length > 0) {
    const more = bad.length > mostNamed ? ` and ${bad.length - mostNamed} more` : '';
    notes.push(`lines that are no messages were left out: ${bad.slice(0, mostNamed).join(', ')}${more}.`);
  }
  if (pieces > 0) notes.push(`${pieces} parts or calls that are not known were left out.`);
  if (lost > 0) notes.push(`${lost} calls without an answer, or answers without a call, were left out.`);
  return { messages, notes };
};
