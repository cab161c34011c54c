import type { ModelPart } from '@troupe/protocol';

/** A call as far as it has come. */
type Growing = { id: string; name: string; arguments: string };

/** A piece of a call in a Chat Completions stream. Compatible servers leave out what they please. */
export type CallPiece = {
  index?: number | null;
  id?: string | null;
  function?: { name?: string | null; arguments?: unknown } | null;
};

/** Puts tool calls together from their pieces, and gives them out whole, in the order of their index. */
export class CallAssembly {
  readonly #calls: { index: number; call: Growing }[] = [];

  get isEmpty(): boolean {
    return this.#calls.length === 0;
  }

  /** The call at an index; a new one when there is none yet. */
  at(index: number): Growing {
    return this.#calls.findLast((entry) => entry.index === index)?.call ?? this.#start(index);
  }

  /** Takes a piece. One without an index goes on with the last call, unless its id says that it starts another. */
  add({ index, id, function: piece }: CallPiece): void {
    const last = this.#calls.at(-1);
    let call = this.at(index ?? last?.index ?? 0);
    // Some servers give every call of a turn the index 0.
    if (id && call.id && id !== call.id && piece?.name) call = this.#start(index ?? this.#calls.length);
    if (id) call.id = id;
    if (piece?.name && call.name === '') call.name = piece.name;
    call.arguments += textOf(piece?.arguments);
  }

  /** The calls as parts. A missing or repeated id is replaced by one that no other call of the turn has. */
  parts(turn: number): ModelPart[] {
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
        return { type: 'call', id, name: call.name, arguments: call.arguments.trim() === '' ? '{}' : call.arguments };
      });
  }

  #start(index: number): Growing {
    const call = { id: '', name: '', arguments: '' };
    this.#calls.push({ index, call });
    return call;
  }
}

/** Arguments are text; a few servers send the object itself. */
const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
};
