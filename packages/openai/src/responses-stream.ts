import type { ModelPart } from '@troupe/protocol';
import type OpenAI from 'openai';
import { StreamError } from './faults.ts';
import { type CallItem, ItemAssembly } from './item-assembly.ts';
import { usageOf } from './usage.ts';

type Event = OpenAI.Responses.ResponseStreamEvent;
type Response = OpenAI.Responses.Response;
type Item = { type: string };

/** Reads a Responses stream. */
export async function* responsesParts(
  stream: AsyncIterable<unknown>,
  turn: number,
  complete: () => void = () => {},
): AsyncGenerator<ModelPart> {
  const calls = new ItemAssembly();
  let ended: Response | undefined;
  let refused = false;
  let spoke = false;
  try {
    for await (const each of stream) {
      const event = eventOf(each);
      const part = livePart(event);
      if (part) yield part;
      spoke ||= part?.type === 'text';
      refused ||= event.type === 'response.refusal.delta';
      noteCall(event, calls);
      ended = endOf(event);
      if (!ended) continue;
      complete();
      // Some servers do not hang up.
      break;
    }
  } catch (error) {
    // A turn that was complete stays complete, whatever becomes of the connection.
    if (ended === undefined) throw error;
  }
  if (ended === undefined) throw new StreamError('model.stream_cut', 'The stream ended without a completed response.');
  if (ended.usage) yield { type: 'usage', usage: usageOf(ended.usage) };
  if (ended.error) throw StreamError.of({ ...ended.error, type: undefined });
  if (ended.status === 'failed' || ended.status === 'cancelled') {
    throw new StreamError('model.unavailable', `The server says that the response is ${ended.status}, and not why.`);
  }
  // Servers that do not stream everything still tell it at the end.
  const whole = spoke ? { text: '', refused: false } : saidIn(ended);
  if (whole.text !== '') yield { type: 'text', delta: whole.text };
  const told = callsIn(ended);
  const all = told.size > calls.size ? told : calls;
  const reason = finishOf(ended, refused || whole.refused, all.size > 0);
  yield* all.parts(turn, ended.status === 'incomplete');
  yield { type: 'finish', reason };
}

const eventOf = (value: unknown): Event => {
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    throw new StreamError('model.malformed', `An event of the stream has no type: ${JSON.stringify(value)}`);
  }
  const event = value as Event;
  if (event.type === 'error') throw StreamError.of({ code: event.code, message: event.message });
  return event;
};

/** What an event adds to what the model says, as it comes. */
const livePart = (event: Event): ModelPart | undefined => {
  switch (event.type) {
    case 'response.output_text.delta':
    case 'response.refusal.delta':
      return event.delta === '' ? undefined : { type: 'text', delta: event.delta };
    case 'response.reasoning_summary_text.delta':
    case 'response.reasoning_text.delta':
      return event.delta === '' ? undefined : { type: 'reasoning', delta: event.delta };
    case 'response.reasoning_summary_part.added':
      return event.summary_index > 0 ? { type: 'reasoning', delta: '\n\n' } : undefined;
    default:
      return undefined;
  }
};

/** Takes note of a call as it comes. */
const noteCall = (event: Event, calls: ItemAssembly): void => {
  switch (event.type) {
    case 'response.output_item.added':
      if (isCall(event.item)) calls.begin(event.item, event.output_index);
      break;
    case 'response.output_item.done':
      if (isCall(event.item)) calls.finish(event.item, event.output_index);
      break;
    case 'response.function_call_arguments.delta':
      calls.grow(event.output_index, event.item_id, event.delta);
      break;
    case 'response.function_call_arguments.done':
      calls.fill(event.output_index, event.item_id, event.arguments);
      break;
    default:
  }
};

const isCall = (item: Item): item is Item & CallItem => item.type === 'function_call';

/** The calls of a finished response: servers that do not stream all of them still tell them at the end. */
const callsIn = ({ output }: Response): ItemAssembly => {
  const calls = new ItemAssembly();
  for (const [index, item] of (output ?? []).entries()) if (isCall(item)) calls.finish(item, index);
  return calls;
};

const endOf = (event: Event): Response | undefined => {
  switch (event.type) {
    case 'response.completed':
    case 'response.incomplete':
    case 'response.failed':
      return event.response;
    default:
      return undefined;
  }
};

/** Everything that a finished response says, and whether it is a refusal. */
const saidIn = ({ output }: Response): { text: string; refused: boolean } => {
  const contents = (output ?? []).flatMap((item) => (item.type === 'message' ? item.content : []));
  return {
    text: contents.map((content) => (content.type === 'refusal' ? content.refusal : content.text)).join(''),
    refused: contents.some((content) => content.type === 'refusal'),
  };
};

/** Why a response ended. */
const finishOf = (
  { status, incomplete_details: details }: Response,
  refused: boolean,
  hasCalls: boolean,
): Extract<ModelPart, { type: 'finish' }>['reason'] => {
  if (refused || details?.reason === 'content_filter') return 'filter';
  if (status === 'incomplete') return 'length';
  return hasCalls ? 'calls' : 'stop';
};
