import type { ModelPart } from '@troupe/protocol';
import { CallAssembly, type Growing } from './call-assembly.ts';

/** A function call as an item of a response. Compatible servers leave out what they please. */
export type CallItem = { id?: string | null; call_id?: string | null; name: string; arguments?: string };

/** An item so far, under the index and the id by which it became known. */
type Known = { index: number | undefined; key: string | undefined; call: Growing; isDone: boolean };

/**
 * Puts the calls of a Responses stream together. OpenAI's items have an index and two ids, the same in each event. Others leave the index
 * out or give every item the same, give all items one id or one item another each time, tell only of items that are done, or tell of one twice.
 */
export class ItemAssembly {
  readonly #calls = new CallAssembly();
  readonly #items: Known[] = [];

  get size(): number {
    return this.#calls.size;
  }

  /** An item begins. Under the ids, the index and the name of one before it is that one, told again. */
  begin(item: CallItem, index: number | undefined): void {
    const [key, id] = [keyOf(item), item.call_id ?? ''];
    const isThat = (known: Known): boolean =>
      known.index === index && known.key === key && known.call.id === id && known.call.name === item.name;
    const again = key === undefined ? undefined : this.#items.find(isThat);
    if (!again?.isDone) take(again ?? this.#start(index, key), item);
  }

  /** An item is whole, whether it was told of before or not. What is whole already was another, or is told again. */
  finish(item: CallItem, index: number | undefined): void {
    const key = keyOf(item);
    const open = this.#items.filter(({ isDone }) => !isDone);
    const named = open.filter(({ call }) => Boolean(item.call_id) && call.id === item.call_id);
    const known = find(named, index, key) ?? named[0];
    if (!known && key !== undefined && this.#items.some((one) => one.isDone && isSame(one, item, index))) return;
    const entry = known ?? find(open.filter(mayBe(item, index)), index, key) ?? this.#start(index, key);
    take(entry, item);
    entry.isDone = true;
  }

  /** A piece of the arguments of an item. One that is whole takes none. */
  grow(index: number | undefined, key: string | undefined, piece: string): void {
    const { call, isDone } = this.#meant(index, key);
    if (!isDone) call.arguments += piece;
  }

  /** All arguments of an item. One that is whole takes them where it has none. */
  fill(index: number | undefined, key: string | undefined, whole: string): void {
    const { call, isDone } = this.#meant(index, key);
    if (!isDone || call.arguments === '') call.arguments = whole;
  }

  /** The calls as parts. */
  parts(turn: number, isCut: boolean): ModelPart[] {
    return this.#calls.parts(turn, isCut);
  }

  #meant(index: number | undefined, key: string | undefined): Known {
    const open = this.#items.filter(({ isDone }) => !isDone);
    const done = this.#items.filter((one) => one.isDone && (index === undefined || (one.index ?? index) === index));
    return find(open, index, key) ?? find(done, index, key) ?? this.#start(index, key);
  }

  #start(index: number | undefined, key: string | undefined): Known {
    const known = { index, key, call: this.#calls.start(index), isDone: false };
    this.#items.push(known);
    return known;
  }
}

const keyOf = ({ id, call_id }: CallItem): string | undefined => id || call_id || undefined;

const take = ({ call }: Known, item: CallItem): void => {
  if (item.call_id) call.id = item.call_id;
  call.name = item.name;
  if (item.arguments) call.arguments = item.arguments;
};

/** The one that is meant: by what the server calls it, else by its index, else the last. */
const find = (items: readonly Known[], index: number | undefined, key: string | undefined): Known | undefined => {
  const called = items.filter((one) => key !== undefined && (one.key === key || one.call.id === key));
  return (
    called.findLast((one) => one.index === index) ??
    called.at(-1) ??
    items.findLast((one) => index === undefined || one.index === index)
  );
};

const isSame = ({ index, key, call }: Known, item: CallItem, at: number | undefined): boolean =>
  index === at &&
  key === keyOf(item) &&
  call.id === (item.call_id ?? '') &&
  call.name === item.name &&
  call.arguments === (item.arguments ?? '');

/** Whether it is not of another call id and another index both: items of some servers share one id. */
const mayBe =
  (item: CallItem, at: number | undefined) =>
  ({ index, call }: Known): boolean =>
    !item.call_id || call.id === '' || call.id === item.call_id || index === at;
