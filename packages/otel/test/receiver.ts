/** A receiver of OTLP over HTTP, and a tracer whose spans arrive there by the real SDK and exporter. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor, type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { onTestFinished } from 'vitest';

type Value = {
  stringValue?: string;
  intValue?: number;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values: Value[] };
};
type Pair = { key: string; value: Value };
type Sent = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Pair[];
  events: { name: string; timeUnixNano: string; attributes: Pair[] }[];
  links: { traceId: string; spanId: string; attributes: Pair[] }[];
  status: { code: number; message?: string };
};

/** A span as it arrived. Times are epoch milliseconds. */
export type Received = Omit<Sent, 'attributes' | 'events' | 'links' | 'startTimeUnixNano' | 'endTimeUnixNano'> & {
  from: number;
  to: number;
  attributes: Record<string, unknown>;
  events: { name: string; at: number; attributes: Record<string, unknown> }[];
  links: { spanId: string; kind: unknown }[];
};

const plain = ({ stringValue, intValue, doubleValue, boolValue, arrayValue }: Value): unknown =>
  stringValue ?? intValue ?? doubleValue ?? boolValue ?? arrayValue?.values.map(plain);
const record = (pairs: readonly Pair[] = []) => Object.fromEntries(pairs.map(({ key, value }) => [key, plain(value)]));
const ms = (nanos: string): number => Number(BigInt(nanos) / 1_000n) / 1_000;

const read = ({ attributes, events, links, startTimeUnixNano, endTimeUnixNano, ...span }: Sent): Received => ({
  ...span,
  from: ms(startTimeUnixNano),
  to: ms(endTimeUnixNano),
  attributes: record(attributes),
  events: events.map(({ name, timeUnixNano, attributes: about }) => ({
    name,
    at: ms(timeUnixNano),
    attributes: record(about),
  })),
  links: links.map(({ spanId, attributes: about }) => ({ spanId, kind: record(about)['troupe.link'] })),
});

export type Receiver = {
  tracer: Tracer;
  /** Every span that has ended, in the order of their ends. */
  spans(): Promise<Received[]>;
  /** Forgets what has arrived. */
  clear(): Promise<void>;
};

/** A server that keeps every span it is sent, closed when the test ends. */
export const receive = async () => {
  const arrived: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { scopeSpans: { spans: Sent[] }[] }[];
      };
      arrived.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(read))));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, arrived };
};

/** @param others Processors besides the one that exports. */
export const openReceiver = async (...others: SpanProcessor[]): Promise<Receiver> => {
  const { url, arrived } = await receive();
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` });
  const exporting = new BatchSpanProcessor({ exporter, maxQueueSize: 100_000 });
  const provider = new TracerProvider({ spanProcessors: [...others, exporting] });
  onTestFinished(() => provider.shutdown());
  return {
    tracer: provider.getTracer('troupe-test'),
    async spans() {
      await provider.forceFlush();
      return arrived;
    },
    async clear() {
      await provider.forceFlush();
      arrived.length = 0;
    },
  };
};

/** The spans as nested names, in the order in which they began: `invoke_agent lead [chat m, execute_tool ask [invoke_agent child …]]`. */
export const treeOf = (spans: readonly Received[]): string => {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const below = (parent: string | undefined): string =>
    spans
      .filter(({ parentSpanId }) => (parentSpanId && known.has(parentSpanId) ? parentSpanId : undefined) === parent)
      .sort((a, b) => a.from - b.from)
      .map(({ name, spanId }) => {
        const inside = below(spanId);
        return inside === '' ? name : `${name} [${inside}]`;
      })
      .join(', ');
  return below(undefined);
};

export const named = (spans: readonly Received[], name: string): Received => {
  const found = spans.find((span) => span.name === name);
  if (!found) throw new Error(`There is no span "${name}" among: ${spans.map((span) => span.name).join(', ')}.`);
  return found;
};
