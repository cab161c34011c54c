import type { Happening } from '../../../src/wire.ts';

/** A lane of the message sequence: a row, a person, the model, a tool. */
export type Lane = { id: string; name: string };
/** A message between two lanes, or something that one does by itself (`from` is `to`). */
export type Message = { happening: Happening; from: number; to: number };
export type Sequence = { lanes: Lane[]; messages: Message[] };

/** Lanes that stand for many: a tree may use fifty tools. */
const nameOf = (id: string, names: ReadonlyMap<string, string>): string =>
  names.get(id) ?? (id.startsWith('tool:') ? id.slice(5) : id);

const rank = (id: string, ofRows: ReadonlyMap<string, string>): number => {
  if (id === 'person') return 0;
  if (ofRows.has(id)) return 1;
  return id === 'model' ? 2 : 3;
};

/**
 * Who said what to whom, in order.
 *
 * @param only Only what concerns this row; everything without it.
 * @param names Names of rows by their id.
 */
export const sequenceOf = (
  happenings: readonly Happening[],
  names: ReadonlyMap<string, string>,
  only?: string,
): Sequence => {
  const shown =
    only === undefined
      ? happenings
      : happenings.filter(({ rowId, from, to }) => rowId === only || from === only || to === only);
  const seen = new Set<string>();
  for (const { from, to } of shown) seen.add(from).add(to);
  const order = [...seen];
  const lanes = order
    .map((id, index) => ({ id, index, rank: rank(id, names) }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .map(({ id }) => ({ id, name: nameOf(id, names) }));
  const places = new Map(lanes.map(({ id }, index) => [id, index]));
  return {
    lanes,
    messages: shown.map((happening) => ({
      happening,
      from: places.get(happening.from) ?? 0,
      to: places.get(happening.to) ?? 0,
    })),
  };
};
