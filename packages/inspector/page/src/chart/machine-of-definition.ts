import type { ChartEdge, ChartState, Machine } from '../../../src/wire.ts';

/** A machine's config as it is told over a wire: functions are names by then, or gone. */
type Data = { readonly [key: string]: unknown };

const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): unknown[] => (value === undefined || value === null ? [] : [value].flat());
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** A guard, an action or an actor by its name: written as a text, as `{ type }` or `{ src }`, or inline. */
const nameOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return (isData(value) && (textOf(value.type) ?? textOf(value.src) ?? textOf(value.id))) || 'inline';
};
const namesOf = (value: unknown): string[] => listOf(value).map(nameOf);

const typeOf = (config: Data, states: ChartState[]): ChartState['type'] => {
  const { type } = config;
  if (type === 'final' || type === 'parallel' || type === 'history') return type;
  return states.length > 0 ? 'compound' : 'atomic';
};

/** All transitions of one state, by what they answer to. */
const transitionsOf = (config: Data): [label: string, transition: unknown][] => {
  const each = (prefix: string, by: unknown) =>
    isData(by) ? Object.entries(by).flatMap(([key, list]) => named(prefix + key, list)) : [];
  const named = (label: string, list: unknown) => listOf(list).map((one): [string, unknown] => [label, one]);
  const invoked = listOf(config.invoke).flatMap((invoke) => {
    if (!isData(invoke)) return [];
    const actor = textOf(invoke.id) ?? nameOf(invoke.src);
    return [...named(`done ${actor}`, invoke.onDone), ...named(`error ${actor}`, invoke.onError)];
  });
  return [
    ...each('', config.on),
    ...each('after ', config.after),
    ...named('always', config.always),
    ...named('done', config.onDone),
    ...invoked,
  ];
};

type Found = { state: ChartState; above: ChartState | undefined; config: Data };

/** `path`: its own id, unless it was given another; that of what is inside begins with it all the same. */
const readState = (
  config: Data,
  key: string,
  path: string,
  above: ChartState | undefined,
  found: Found[],
): ChartState => {
  const state: ChartState = {
    id: textOf(config.id) ?? path,
    key,
    type: 'atomic',
    invokes: listOf(config.invoke).map((invoke) => nameOf(isData(invoke) ? (invoke.src ?? invoke) : invoke)),
    entry: namesOf(config.entry),
    exit: namesOf(config.exit),
    states: [],
  };
  found.push({ state, above, config });
  const states = isData(config.states) ? config.states : {};
  state.states = Object.entries(states).map(([name, below]) =>
    readState(isData(below) ? below : {}, name, `${path}.${name}`, state, found),
  );
  state.type = typeOf(config, state.states);
  const initial = textOf(config.initial) ?? (isData(config.initial) ? textOf(config.initial.target) : undefined);
  if (initial !== undefined) state.initial = below(state, initial.replace(/^\./, ''))?.id;
  if (typeof config.description === 'string') state.description = config.description;
  return state;
};

const below = (state: ChartState | undefined, path: string): ChartState | undefined =>
  path === ''
    ? state
    : path.split('.').reduce<ChartState | undefined>((at, key) => at?.states.find((one) => one.key === key), state);

/** A target as XState reads it: `#id.below`, `.child`, or a sibling. */
const resolve = (target: string, { state, above }: Found, found: readonly Found[]): ChartState | undefined => {
  if (target.startsWith('.')) return below(state, target.slice(1));
  if (!target.startsWith('#')) return below(above ?? state, target);
  const path = target.slice(1);
  const named = found
    .map((one) => one.state)
    .filter(({ id }) => path === id || path.startsWith(`${id}.`))
    .sort((a, b) => b.id.length - a.id.length)[0];
  return named && below(named, path.slice(named.id.length + 1));
};

/**
 * A machine as it is drawn, from its config as JSON: what a program says of it that sends Stately's inspection messages. Has
 * `always`, `after`, `onDone` and what invoked actors lead to. What cannot be understood is left out.
 *
 * @param id Names the machine on this page.
 */
export const machineOfDefinition = (id: string, definition: unknown): Machine => {
  const config = isData(definition) ? definition : {};
  const name = textOf(config.id) ?? '(machine)';
  const found: Found[] = [];
  const root = readState(config, name, name, undefined, found);
  const edges = found.flatMap((place) =>
    transitionsOf(place.config).map(([label, transition]): Omit<ChartEdge, 'id'> => {
      const data = isData(transition) ? transition : { target: transition };
      const guard = data.guard ?? data.cond;
      return {
        from: place.state.id,
        to: listOf(data.target).flatMap((target) => resolve(String(target), place, found)?.id ?? []),
        label,
        ...(guard !== undefined && { guard: nameOf(guard) }),
        actions: namesOf(data.actions),
      };
    }),
  );
  return { id, name, root, edges: edges.map((edge, index) => ({ id: `e${index}`, ...edge })) };
};

type Value = string | { readonly [key: string]: Value | undefined };

/** Ids of the states that are active by a state value as XState gives it. */
export const activeStates = ({ root }: Machine, value: unknown): string[] => {
  const inside = (state: ChartState | undefined, inner: Value | undefined): string[] => {
    if (!state) return [];
    const here = [state.id];
    if (typeof inner === 'string') return [...here, ...inside(below(state, inner), undefined)];
    const regions = Object.entries(inner ?? {});
    return [...here, ...regions.flatMap(([key, next]) => inside(below(state, key), next))];
  };
  return inside(root, value as Value | undefined);
};

/** A state value as one line: `running.acting`, regions apart with `|`. */
export const stateText = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (!isData(value)) return '';
  return Object.entries(value)
    .map(([key, inner]) => [key, stateText(inner)].filter(Boolean).join('.'))
    .join(' | ');
};
