import { TracerProvider } from '@opentelemetry/sdk-trace';
import { testReading } from '../../../test/support/growth.ts';
import { traceRuns } from '../src/index.ts';

testReading('spans are made', (events) => {
  traceRuns(events, { tracer: new TracerProvider().getTracer('growth'), content: true });
});
