import type { ModelPart } from '@troupe/protocol';
import { isObject } from './call-arguments.ts';

/** A call as far as it has come. */
export type Growing = { id: string; name: string; arguments: string };

/** A piece of a call in a Chat Completions stream. Compatible servers leave out what they please. */
export type CallPiece = {
  index?: number | null;
  id?: string | null;
  function?: { name?: string | null; arguments?: unknown } | null;
};

/** Puts tool calls together from their pieces, and gives them out whole, in the order of their index. */
export class CallAssembly {
  readonly #calls: { index: number; call: Growing }[] = [];

  get size(): number {
    return this.#calls.length;
  }

  /** A new call, behind those that have its index. */
  start(index = this.#calls.length): Growing {
    const call = { id: '', name: '', arguments: '' };
    this.#calls.push({ index, call });
    return call;
  }

  /** Takes a piece of a Chat Completions stream. One without an index goes on with the last call, unless it starts another. */
  add(piece: CallPiece): void {
    const { index, id, function: said } = piece;
    const there = this.#at(index ?? undefined);
    // Some servers give every call of a turn the index 0, or none; some no id either.
    const call = startsAnother(there, piece) ? this.start(index ?? undefined) : there;
    if (id) call.id = id;
    if (said?.name && call.name === '') call.name = said.name;
    call.arguments += textOf(said?.arguments);
  }

  /** The call that the server means: by its index, else the last one; a new one when there is none yet. */
  #at(index: number | undefined): Growing {
    const found = this.#calls.findLast((entry) => index === undefined || entry.index === index);
    return found?.call ?? this.start(index);
  }

  /**
   * The calls as parts. A missing or repeated id is replaced by one that no other call of the turn has.
   *
   * @param isCut Whether the answer was cut off: a call without arguments may have been about to get some.
   */
  parts(turn: number, isCut: boolean): ModelPart[] {
    const given = new Set(this.#calls.map(({ call }) => call.id));
    const used = new Set<string>();
    const fresh = (n: number): string => {
      let id = `call_${turn}_${n}`;
      while (given.has(id) || used.has(id)) id += '_';
      return id;
    };
    return this.#calls
      .toSorted((a, b) => a.index - b.index)
      .map(({ call }, n) => {
        const id = call.id === '' || used.has(call.id) ? fresh(n) : call.id;
        used.add(id);
        const isBlank = call.arguments.trim() === '';
        return { type: 'call', id, name: call.name, arguments: isBlank && !isCut ? '{}' : call.arguments };
      });
  }
}

/** Whether a piece that goes to a call is the beginning of another. Servers repeat a call's id, its name or both with each piece. */
const startsAnother = (call: Growing, { id, function: said }: CallPiece): boolean => {
  if (!said?.name || call.name === '') return false;
  if (id && call.id) return id !== call.id;
  const isNews = said.name !== call.name || textOf(said.arguments).trim() !== '';
  return isNews && isObject(call.arguments);
};

/** Arguments are text; a few servers send the object itself. */
const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
};
