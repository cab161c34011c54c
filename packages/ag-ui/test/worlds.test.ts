import { type AGUIEvent, EventType, type Interrupt } from '@ag-ui/core';
import type { Run } from '@troupe/core';
import { createRuntime } from '@troupe/core';
import { type EventOf, isLive, type RunEvent, type StoredEvent, textOfMessage } from '@troupe/protocol';
import fc from 'fast-check';
import { firstValueFrom, from, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { toAgUi } from '../src/index.ts';
import type { StreamOptions } from '../src/translation.ts';
import { expectOrdered } from './ordering.ts';
import { agents, anyWorld, providerOf, type World } from './worlds.ts';

const streamed = (events$: Run['events$'], options: StreamOptions = {}): Promise<AGUIEvent[]> =>
  firstValueFrom(events$.pipe(toAgUi(options), toArray()));
const translated = (events: readonly RunEvent[], options?: StreamOptions): Promise<AGUIEvent[]> =>
  streamed(from(events), options);

const interruptsOf = (events: readonly AGUIEvent[]): Interrupt[] => {
  const last = events.at(-1);
  return last?.type === EventType.RUN_FINISHED && last.outcome?.type === 'interrupt' ? last.outcome.interrupts : [];
};

/** A world from beginning to end: all that was told, and the AG-UI runs that a front end heard while it happened. */
const live = async (world: World) => {
  const runtime = createRuntime({
    provider: providerOf(world),
    model: 'scripted',
    logger: { warn: () => {}, error: () => {} },
  });
  const [, , lead] = agents(world.limit);
  const told: RunEvent[] = [];
  const run = runtime.start(lead!, 'go', { runId: 'r' });
  run.events$.subscribe((event) => {
    told.push(event);
    if (told.length === world.interruptAfter) void run.interrupt('enough');
  });
  const segments: { events: AGUIEvent[]; answering?: string[] }[] = [{ events: await streamed(run.events$) }];
  let isHeard = true;
  for (let n = 0; ; n++) {
    const answering = interruptsOf(segments.at(-1)!.events).map(({ id }) => id);
    if (answering.length === 0) break;
    const receipts = await Promise.all(
      answering.map((id, i) => run.answer(id, world.answers[(n + i) % world.answers.length]!)),
    );
    // Somebody interrupted it before the answer came: nobody hears how it ended.
    isHeard = receipts.some(({ status }) => status !== 'rejected');
    if (!isHeard) break;
    segments.push({ events: await streamed(run.events$, { answering }), answering });
  }
  await run.ended;
  await runtime.close();
  return { told, stored: told.filter((event): event is StoredEvent => !isLive(event)), segments, isHeard };
};

const of = <T extends EventType>(events: readonly AGUIEvent[], type: T): Extract<AGUIEvent, { type: T }>[] =>
  events.filter((event): event is Extract<AGUIEvent, { type: T }> => event.type === type);
const ofType = <T extends RunEvent['type']>(events: readonly RunEvent[], type: T): EventOf<T>[] =>
  events.filter((event): event is EventOf<T> => event.type === type);

describe('in every world, a run', () => {
  test('is heard in an order that AG-UI allows, while it happens and when it is told again', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (world) => {
        const { stored, segments } = await live(world);
        for (const { events, answering } of segments) {
          expectOrdered(events);
          expectOrdered(await translated(stored, answering ? { answering } : {}));
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test('is heard in such an order wherever its events break off, or a reader begins to hear live parts', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, fc.nat(200), fc.nat(200), async (world, end, joined) => {
        const { told } = await live(world);
        expectOrdered(await translated(told.slice(0, 1 + (end % told.length))));
        const late = told.filter((event, at) => !isLive(event) || at >= joined);
        expectOrdered(await translated(late));
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test('says each thing once over all its AG-UI runs: calls, their results, what its models said, what they used', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (world) => {
        const { stored, segments, isHeard } = await live(world);
        fc.pre(isHeard);
        const events = segments.flatMap((segment) => segment.events);
        const ids = (type: EventType.TOOL_CALL_START | EventType.TOOL_CALL_RESULT) =>
          of(events, type).map(({ toolCallId }) => toolCallId);
        expect(new Set(ids(EventType.TOOL_CALL_START)).size).toBe(ids(EventType.TOOL_CALL_START).length);
        expect(ids(EventType.TOOL_CALL_RESULT).toSorted()).toEqual(ids(EventType.TOOL_CALL_START).toSorted());
        expect(validTexts(events).toSorted()).toEqual(
          ofType(stored, 'turn.completed')
            .map(({ message }) => textOfMessage(message))
            .filter((text) => text !== '')
            .toSorted(),
        );
        const used = [...of(events, EventType.RUN_FINISHED), ...of(events, EventType.RUN_ERROR)]
          .flatMap(({ usage = [] }) => usage)
          .reduce((sum, { totalTokens = 0 }) => sum + totalTokens, 0);
        const total = stored.findLast(({ runId }) => runId === 'r') as EventOf<'run.completed'>;
        expect(used).toBe(total.usage.total.inputTokens + total.usage.total.outputTokens);
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test('is heard of with everything below it: each child begins, and ends as it ended', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (world) => {
        const { stored, segments, isHeard } = await live(world);
        fc.pre(isHeard);
        const events = segments.flatMap((segment) => segment.events);
        const children = [...new Set(stored.map(({ runId }) => runId))].filter((runId) => runId !== 'r');
        for (const child of children) {
          const about = events.filter((event) => 'subagentRunId' in event && event.subagentRunId === child);
          expect(about[0]?.type).toBe(EventType.SUBAGENT_STARTED);
          const ended = stored.findLast(({ runId }) => runId === child)!;
          const last = about.findLast(({ type }) => type.startsWith('SUBAGENT_'));
          expect(last).toMatchObject(
            ended.type === 'run.completed'
              ? { type: EventType.SUBAGENT_FINISHED, outcome: { type: 'success' } }
              : { type: EventType.SUBAGENT_ERROR },
          );
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

/** Texts of messages that are whole. */
const validTexts = (events: readonly AGUIEvent[]): string[] => {
  const texts = new Map<string, string>();
  const whole = new Set<string>();
  for (const event of events) {
    if (event.type === EventType.TEXT_MESSAGE_CONTENT)
      texts.set(event.messageId, (texts.get(event.messageId) ?? '') + event.delta);
    if (event.type === EventType.TEXT_MESSAGE_END && event.metadata === undefined) whole.add(event.messageId);
  }
  return [...whole].map((id) => texts.get(id) ?? '');
};
