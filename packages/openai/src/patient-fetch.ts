type Fetch = typeof globalThis.fetch;
type Dispatch = (options: object, handler: unknown) => unknown;

/** Where Node's `fetch`, and the package that it is made of, keep the connections that all of a program uses. */
const shared = Symbol.for('undici.globalDispatcher.1');
const dispatcher = (): { dispatch: Dispatch } | undefined => Reflect.get(globalThis, shared) as never;

/** The program's connections, its proxies too, without the five minutes after which each request is given up otherwise. */
const patient = {
  dispatch: (options: object, handler: unknown) =>
    dispatcher()?.dispatch({ ...options, headersTimeout: 0, bodyTimeout: 0 }, handler),
};

/**
 * The platform's `fetch`, which waits for as long as it is wanted. Node's gives up after five minutes without a word, and says so in no
 * option that others know: nodejs/undici, `headersTimeout` and `bodyTimeout`.
 */
export const patientFetch: Fetch = (input, init) =>
  globalThis.fetch(input, dispatcher() ? ({ ...init, dispatcher: patient } as RequestInit) : init);
