import { TracerProvider } from '@opentelemetry/sdk-trace';
import type { RunEvent, RunTree } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { traceRuns } from '../src/index.ts';
import { type Played, plans, play } from './random-trees.ts';
import { openReceiver, type Received } from './receiver.ts';

const runOf = (span: Received): string => String(span.attributes['troupe.run.id']);
const isRun = ({ name }: Received): boolean => name.startsWith('invoke_agent');

/** What no span may be, wherever its events began: open, without the span above it, outside of its time. */
const unsound = (spans: readonly Received[]): string[] => {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans.flatMap((span) => {
    const above = byId.get(span.parentSpanId ?? '');
    const where = `${span.name} of ${runOf(span)}`;
    return [
      ...(span.to < span.from ? [`${where} ends before it begins`] : []),
      ...(span.parentSpanId && !above ? [`${where} is below nothing`] : []),
      ...(above && (span.from < above.from || span.to > above.to) ? [`${where} is not within ${above.name}`] : []),
      ...(above && span.traceId !== above.traceId ? [`${where} is in another trace than ${above.name}`] : []),
    ];
  });
};

/** The runs of a trace, nested as their spans are, with the call that each of them is below. */
const nested = (spans: readonly Received[]) => {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return new Map(
    spans.filter(isRun).map((run) => {
      const call = byId.get(run.parentSpanId ?? '');
      const about = [call && runOf(call), call?.attributes['gen_ai.tool.call.id'], run.attributes['troupe.status']];
      return [runOf(run), about];
    }),
  );
};
const stored = ({ runId, parentId, callId, status, children }: RunTree): [string, unknown[]][] => [
  [runId, [parentId, callId, status]],
  ...children.flatMap(stored),
];

const toldIn = ({ events }: Played, type: string) => events.filter((event) => event.type === type).length;
const tokens = (spans: readonly Received[], of: 'input' | 'output') =>
  spans
    .filter(({ name }) => name.startsWith('chat'))
    .reduce((sum, { attributes }) => sum + Number(attributes[`gen_ai.usage.${of}_tokens`] ?? 0), 0);

test('the spans that arrive mirror the runs, whatever these do', async () => {
  const receiver = await openReceiver();
  await fc.assert(
    fc.asyncProperty(plans, async (plansOfRoots) => {
      await receiver.clear();
      const played = await play(plansOfRoots, (runtime) => traceRuns(runtime.events$, { tracer: receiver.tracer }));
      const spans = await receiver.spans();
      expect(unsound(spans)).toEqual([]);
      const trees = await Promise.all(played.roots.map((id) => played.runtime.runs.tree(id)));
      expect(nested(spans)).toEqual(new Map(trees.flatMap(stored)));
      expect(spans.filter(isRun).length).toBe(toldIn(played, 'run.started'));
      expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(played.roots.length);
      expect(spans.filter(({ name }) => name.startsWith('chat')).length).toBe(toldIn(played, 'turn.started'));
      expect(spans.filter(({ name }) => name.startsWith('execute_tool')).length).toBe(toldIn(played, 'call.started'));
      for (const of of ['input', 'output'] as const)
        expect(tokens(spans, of)).toBe(trees.reduce((sum, { usage }) => sum + usage.total[`${of}Tokens`], 0));
      await played.runtime.close();
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('every span that begins ends, soundly, from wherever to wherever the events are heard', async () => {
  const receiver = await openReceiver();
  await fc.assert(
    fc.asyncProperty(plans, fc.nat(), fc.nat(), fc.array(fc.nat(), { maxLength: 3 }), async (roots, a, b, lost) => {
      await receiver.clear();
      const { runtime, events } = await play(roots, () => {});
      await runtime.close();
      const [from, to] = [a % events.length, b % (events.length + 1)].sort((x, y) => x - y);
      const gone = new Set(lost.map((n) => n % events.length));
      const heard = events.slice(from, to).filter((_event, index) => !gone.has(index));
      let open = 0;
      const counting = {
        onStart: () => void open++,
        onEnd: () => void open--,
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      };
      const counted = new TracerProvider({ spanProcessors: [counting] }).getTracer('count');
      for (const tracer of [counted, receiver.tracer]) traceRuns(heard, { tracer, content: true });
      expect(open).toBe(0);
      const spans = await receiver.spans();
      expect(unsound(spans)).toEqual([]);
      expect(new Set(spans.map(runOf))).toEqual(new Set(heard.filter((e) => !('live' in e)).map(({ runId }) => runId)));
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('nothing is kept of runs that have ended but which spans the last thousand had', async () => {
  const { tracer, spans } = await openReceiver();
  const { runtime, events } = await play([{ steps: [], end: 'answer' }], () => {});
  await runtime.close();
  const again = (n: number) => events.map((event) => ({ ...event, runId: `run_${n}`, rootId: `run_${n}` }));
  const recovered = (n: number): RunEvent[] =>
    again(n)
      .slice(1, 2)
      .map((event) => ({ ...event, type: 'run.recovered', seq: 9 }) as RunEvent);
  // given a thousand and one runs, of which the first and the last go on
  const all = Array.from({ length: 1_001 }, (_, n) => again(n)).flat();
  traceRuns([...all, ...recovered(0), ...recovered(1_000)], { tracer });
  // then only the last is known to have been there before, and no other is open
  const found = (await spans()).filter((span) => span.attributes['troupe.status'] !== 'completed' && isRun(span));
  expect(found.map((span) => [runOf(span), span.attributes['troupe.status'], span.links.length])).toEqual([
    ['run_0', 'unfinished', 0],
    ['run_1000', 'unfinished', 1],
  ]);
});
