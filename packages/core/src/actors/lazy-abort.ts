/** An abort signal that is made when somebody asks for it: most calls never do, and one costs more than a transition. */
export type LazyAbort = { readonly signal: AbortSignal; readonly aborted: boolean; abort(reason?: unknown): void };

export const lazyAbort = (): LazyAbort => {
  let controller: AbortController | undefined;
  let aborted = false;
  let why: unknown;
  return {
    get signal() {
      if (!controller) {
        controller = new AbortController();
        if (aborted) controller.abort(why);
      }
      return controller.signal;
    },
    get aborted() {
      return aborted;
    },
    abort(reason) {
      if (aborted) return;
      aborted = true;
      why = reason;
      controller?.abort(reason);
    },
  };
};
