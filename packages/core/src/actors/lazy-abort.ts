/**
 * An abort signal that is made when somebody asks for it, and a reason that is made for whoever has one: most turns and calls are
 * stopped because they are done and have neither, and each costs more than a transition.
 */
export type LazyAbort = { readonly signal: AbortSignal; readonly aborted: boolean; abort(why?: () => unknown): void };

export const lazyAbort = (): LazyAbort => {
  let controller: AbortController | undefined;
  let aborted = false;
  let reason: (() => unknown) | undefined;
  return {
    get signal() {
      if (!controller) {
        controller = new AbortController();
        if (aborted) controller.abort(reason?.());
      }
      return controller.signal;
    },
    get aborted() {
      return aborted;
    },
    abort(why) {
      if (aborted) return;
      aborted = true;
      reason = why;
      controller?.abort(why?.());
    },
  };
};
