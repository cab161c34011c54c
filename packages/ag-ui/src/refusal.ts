import { type FaultError, isFaultError } from '@troupe/protocol';

/** Why a request is not served: a status, and what its body says. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  /** What programs may want to know of it, in `metadata.troupe`. */
  readonly details: object | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    { headers = {}, details }: { headers?: Record<string, string>; details?: object } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.details = details;
  }
}

const statuses: Record<string, number> = {
  'job.invalid': 422,
  'session.invalid': 409,
  'run.exists': 409,
  'run.claimed': 409,
  'runtime.closed': 503,
  'store.unavailable': 503,
};

const ofFault = ({ code, message }: FaultError): Refusal => new Refusal(statuses[code] ?? 500, code, message);

/** What went wrong, as a refusal. What nobody expected is not told to whoever asked. */
export const refusalOf = (error: unknown): Refusal => {
  if (error instanceof Refusal) return error;
  if (isFaultError(error)) return ofFault(error);
  return new Refusal(
    500,
    'request.failed',
    'The request failed for a reason that is not told. Ask whoever runs this server.',
  );
};
