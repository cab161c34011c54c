/**
 * What one run of the tree says in one stream: its step, its messages, its calls. Everything that is opened here is closed here,
 * whatever comes next, so that the ordering rules of AG-UI hold for every log and for every part of one.
 */
import { type AGUIEvent, EventType } from '@ag-ui/core';
import {
  callKeyOf,
  type EventOf,
  type LiveEvent,
  type StoredEvent,
  type ToolCall,
  textOfMessage,
} from '@troupe/protocol';
import type { SubagentEnd } from './endings.ts';
import type { Subagent } from './subagent.ts';

type Spoken = { id: string; said: string };

/** Tells nothing of what was said before a stream begins, but knows it. */
export class Voice {
  readonly runId: string;
  readonly agent: string;
  /** On all that a run below the streamed one says. */
  readonly tag: { subagentRunId?: string };
  readonly #subagent: Subagent | undefined;
  #turn = 0;
  #calls: readonly ToolCall[] = [];
  #attempt = 0;
  #part = 0;
  #answered = 0;
  #step: string | undefined;
  #text: Spoken | undefined;
  #reasoning: Spoken | undefined;
  /** Reasoning messages of this turn that were closed, and all that they said. */
  #reasoned = { messages: 0, said: '' };
  /** Something of this turn was missed: what is left of it is told when it is complete. */
  #torn = false;

  constructor(runId: string, agent: string, tag: { subagentRunId?: string }, subagent: Subagent | undefined) {
    this.runId = runId;
    this.agent = agent;
    this.tag = tag;
    this.#subagent = subagent;
  }

  /** The message that holds the text and the calls of the turn in hand. */
  get messageId(): string {
    return `${this.runId}/${this.#turn}${this.#attempt === 0 ? '' : `~${this.#attempt}`}`;
  }

  /** A stored event of the run: live parts are counted from here on. */
  heard(): void {
    this.#part = 0;
  }

  /** A call of the turn in hand, by the id that the model gave it: the first of that id that is not answered. */
  callKey(callId: string): string | undefined {
    const index = this.#calls.findIndex(({ id }, at) => id === callId && at >= this.#answered);
    return index < 0 ? undefined : callKeyOf(this.runId, this.#turn, index);
  }

  /**
   * A stream begins, or the run does: a subagent is announced, and the step of its turn, whatever was open before.
   *
   * @param parentSubagentRunId The subagent that it is below.
   */
  *enter(at: number, parentSubagentRunId?: string): Generator<AGUIEvent> {
    const wasTalking = this.#text !== undefined || this.#reasoning !== undefined;
    for (const _ of this.#close(at));
    this.#torn = wasTalking;
    const above = parentSubagentRunId !== undefined && { parentSubagentRunId };
    if (this.#subagent) yield { type: EventType.SUBAGENT_STARTED, ...this.#subagent, ...above, timestamp: at };
    yield* this.#openStep(at);
  }

  /** The run ends, or its stream does. */
  *leave(at: number, end: SubagentEnd): Generator<AGUIEvent> {
    yield* this.#close(at);
    if (!this.#subagent) return;
    const { subagentRunId } = this.#subagent;
    if ('message' in end) yield { type: EventType.SUBAGENT_ERROR, subagentRunId, ...end, timestamp: at };
    else yield { type: EventType.SUBAGENT_FINISHED, subagentRunId, ...end, timestamp: at };
  }

  *say(event: StoredEvent): Generator<AGUIEvent> {
    if (event.type === 'turn.started') yield* this.#startTurn(event);
    if (event.type === 'turn.attempted') yield* this.#startOver(event.at);
    if (event.type === 'turn.completed') yield* this.#completeTurn(event);
    if (event.type === 'call.completed' || event.type === 'call.failed') yield this.#answerCall(event);
  }

  *stream(event: Exclude<LiveEvent, { type: 'call.progressed' }>): Generator<AGUIEvent> {
    this.#torn ||= event.part !== this.#part + 1;
    this.#part = event.part;
    if (this.#torn) return;
    if (event.type === 'text.streamed') {
      yield* this.#closeReasoning(event.at);
      yield* this.#say(event.delta, event.at);
    } else yield* this.#reason(event.delta, event.at);
  }

  *#startTurn({ turn, at }: EventOf<'turn.started'>): Generator<AGUIEvent> {
    yield* this.#close(at);
    // After a crash a turn is taken again: it has another message.
    this.#attempt = turn === this.#turn ? this.#attempt + 1 : 0;
    this.#turn = turn;
    yield* this.#openStep(at);
  }

  *#openStep(at: number): Generator<AGUIEvent> {
    if (this.#turn === 0) return;
    this.#step = `turn ${this.#turn}`;
    yield { type: EventType.STEP_STARTED, stepName: this.#step, timestamp: at, ...this.tag };
  }

  /** What was said of the turn is void: its message says so, and what comes next begins another one. */
  *#startOver(at: number): Generator<AGUIEvent> {
    yield* this.#closeReasoning(at);
    yield* this.#closeText(at, { void: true });
    this.#attempt += 1;
    this.#reasoned = { messages: 0, said: '' };
    this.#torn = false;
  }

  *#completeTurn({ message, reasoning = '', at }: EventOf<'turn.completed'>): Generator<AGUIEvent> {
    yield* this.#completeMessage(reasoning, textOfMessage(message), at);
    this.#calls = message.calls ?? [];
    this.#answered = 0;
    for (const [index, call] of this.#calls.entries()) {
      const about = { toolCallId: callKeyOf(this.runId, this.#turn, index), timestamp: at, ...this.tag };
      yield { type: EventType.TOOL_CALL_START, toolCallName: call.name, parentMessageId: this.messageId, ...about };
      if (call.arguments !== '') yield { type: EventType.TOOL_CALL_ARGS, delta: call.arguments, ...about };
      yield { type: EventType.TOOL_CALL_END, ...about };
    }
  }

  /** Calls are answered in the order in which the model made them. */
  #answerCall(event: EventOf<'call.completed' | 'call.failed'>): AGUIEvent {
    const toolCallId = callKeyOf(this.runId, this.#turn, this.#answered);
    this.#answered += 1;
    const failure = event.type === 'call.failed' && { status: event.status ?? 'error', error: event.error };
    return {
      type: EventType.TOOL_CALL_RESULT,
      messageId: `${toolCallId}/result`,
      toolCallId,
      content: event.result,
      role: 'tool',
      timestamp: event.at,
      ...(failure && { metadata: { troupe: failure } }),
      ...this.tag,
    };
  }

  /** What was being said was cut off: its message says so. */
  *#close(at: number): Generator<AGUIEvent> {
    yield* this.#closeReasoning(at);
    yield* this.#closeText(at, { partial: true });
    this.#reasoned = { messages: 0, said: '' };
    this.#torn = false;
    if (this.#step === undefined) return;
    yield { type: EventType.STEP_FINISHED, stepName: this.#step, timestamp: at, ...this.tag };
    this.#step = undefined;
  }

  /** What was streamed is completed; where it is not the beginning of what was said, it is void and all of it is told again. */
  *#completeMessage(reasoning: string, text: string, at: number): Generator<AGUIEvent> {
    const reasoned = this.#reasoned.said + (this.#reasoning?.said ?? '');
    const said = this.#text?.said ?? '';
    const whole = { reasoning: reasoning.startsWith(reasoned), text: text.startsWith(said) };
    yield* this.#reason(whole.reasoning ? reasoning.slice(reasoned.length) : '', at);
    yield* this.#closeReasoning(at);
    if (!whole.text) yield* this.#startOver(at);
    yield* this.#say(whole.text ? text.slice(said.length) : text, at);
    yield* this.#closeText(at);
  }

  *#say(delta: string, at: number): Generator<AGUIEvent> {
    if (delta === '') return;
    const about = { timestamp: at, ...this.tag };
    if (!this.#text) {
      this.#text = { id: this.messageId, said: '' };
      const opener = { messageId: this.#text.id, role: 'assistant', name: this.agent } as const;
      yield { type: EventType.TEXT_MESSAGE_START, ...opener, ...about };
    }
    this.#text.said += delta;
    yield { type: EventType.TEXT_MESSAGE_CONTENT, messageId: this.#text.id, delta, ...about };
  }

  *#closeText(at: number, troupe?: { void: true } | { partial: true }): Generator<AGUIEvent> {
    if (!this.#text) return;
    const metadata = troupe && { metadata: { troupe } };
    yield { type: EventType.TEXT_MESSAGE_END, messageId: this.#text.id, timestamp: at, ...metadata, ...this.tag };
    this.#text = undefined;
  }

  *#reason(delta: string, at: number): Generator<AGUIEvent> {
    if (delta === '') return;
    const about = { timestamp: at, ...this.tag };
    if (!this.#reasoning) {
      const again = this.#reasoned.messages === 0 ? '' : `-${this.#reasoned.messages}`;
      this.#reasoning = { id: `${this.messageId}/reasoning${again}`, said: '' };
      const { id: messageId } = this.#reasoning;
      yield { type: EventType.REASONING_START, messageId, ...about };
      yield { type: EventType.REASONING_MESSAGE_START, messageId, role: 'reasoning', ...about };
    }
    this.#reasoning.said += delta;
    yield { type: EventType.REASONING_MESSAGE_CONTENT, messageId: this.#reasoning.id, delta, ...about };
  }

  *#closeReasoning(at: number): Generator<AGUIEvent> {
    if (!this.#reasoning) return;
    const { id: messageId, said } = this.#reasoning;
    yield { type: EventType.REASONING_MESSAGE_END, messageId, timestamp: at, ...this.tag };
    yield { type: EventType.REASONING_END, messageId, timestamp: at, ...this.tag };
    this.#reasoned = { messages: this.#reasoned.messages + 1, said: this.#reasoned.said + said };
    this.#reasoning = undefined;
  }
}
