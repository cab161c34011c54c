/**
 * An abort signal that is made when somebody asks for it, and a reason that is made for whoever has one: most turns and calls are
 * stopped because they are done and have neither, and each costs more than a transition.
 */
export class LazyAbort {
  #controller: AbortController | undefined;
  #reason: (() => unknown) | undefined;
  #aborted = false;

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason?.());
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Aborts once. @param why Makes the reason, if anybody asks for one. */
  abort(why?: () => unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = why;
    this.#controller?.abort(why?.());
  }
}
