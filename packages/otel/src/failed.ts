import { diag } from '@opentelemetry/api';
import { messageOf } from '@troupe/protocol';

/** Says what went wrong with tracing where OpenTelemetry says such things. It changes no run. */
export const failed = (error: unknown): void => diag.error(`@troupe/otel: ${messageOf(error)}`, error);

/** What `act` gives, or, where that throws, `otherwise`. */
export const orElse = <T>(otherwise: T, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    failed(error);
    return otherwise;
  }
};
