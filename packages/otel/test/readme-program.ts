import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { traceRuns } from '@troupe/otel';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const exporter = new OTLPTraceExporter(); // to OTEL_EXPORTER_OTLP_ENDPOINT, default http://localhost:4318
const telemetry = new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] });

const add = defineTool({
  name: 'add',
  description: 'Adds two numbers.',
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: ({ a, b }) => a + b,
});
const clerk = defineAgent({ name: 'clerk', instructions: 'Reckon.', tools: [add] });
const provider = scriptedProvider([{ calls: [{ name: 'add', arguments: { a: 2, b: 3 } }] }, 'It is 5.']);
const runtime = createRuntime({ provider, model: 'openai/gpt-5-mini' });
traceRuns(runtime.events$, { tracer: telemetry.getTracer('my-app') });
console.log((await runtime.run(clerk, 'What is 2 + 3?')).text);
await runtime.close();
await telemetry.shutdown();
