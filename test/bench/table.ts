// Everything that was found, as text.
import { floor } from './cells.ts';
import { type Results, ratiosOf, timesOf, waitingOf } from './results.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import { median } from './statistics.ts';
import { verdicts } from './targets.ts';

const count = (value: number): string => Math.round(value).toLocaleString('en');
const kb = (bytes: number): string => `${(bytes / 1_024).toFixed(1)} KiB`;
const duration = (us: number): string => {
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
  if (us >= 1e3) return `${(us / 1e3).toFixed(us >= 1e4 ? 1 : 2)} ms`;
  return `${us.toFixed(us >= 100 ? 0 : us >= 10 ? 1 : 2)} µs`;
};
const each = (us: number): string => (us < 1 ? `${count(us * 1_000)} ns` : duration(us));

const columns = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
};

const range = (values: readonly number[]): string => {
  if (values.length === 0) return '';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length === 1
    ? median(values).toFixed(2)
    : `${median(values).toFixed(2)} (${least.toFixed(2)} – ${most.toFixed(2)})`;
};

const middle = (values: readonly number[]): string => (values.length > 0 ? median(values).toFixed(2) : '');

const timesRow = (
  results: Results,
  { id, title, size, per, without }: Scenario,
  names: readonly string[],
): string[] => {
  const us = (name: string) => timesOf(results, id, name).map((found) => found.us);
  const mine = us('troupe');
  return [
    `${id.padEnd(9)}${title}`,
    mine.length > 0 && per ? `${each(median(mine) / size)} a ${per}` : '',
    ...names.map((name) => {
      const found = us(name);
      return found.length > 0 ? duration(median(found)) : without?.[name] ? '–' : '';
    }),
    range(ratiosOf(results, id, 'troupe')),
    middle(ratiosOf(results, id, 'troupe', 'bestUs')),
    middle(ratiosOf(results, id, 'troupe', 'cpuUs')),
  ];
};

const timesTable = (results: Results): string[] => {
  const measured = scenarios.filter(
    ({ id, measure }) => measure === 'time' && results.rounds.some((round) => round.scenario === id),
  );
  if (measured.length === 0) return [];
  const names = ['troupe', floor, 'xstate', 'handwritten'];
  const head = ['one run takes', 'troupe', ...names, `× ${floor}`, '× fastest', '× CPU'];
  const rows = measured.map((scenario) => timesRow(results, scenario, names));
  const notes = measured.flatMap(({ id, without }) =>
    Object.entries(without ?? {}).map(([name, why]) => `– ${id}: without ${name}, for ${why}.`),
  );
  return [columns([head, ...rows]), ...(notes.length > 0 ? [notes.join('\n')] : [])];
};

const waitingTable = (results: Results): string[] => {
  const rows = ['troupe', floor, 'xstate', 'handwritten'].flatMap((name) => {
    const found = waitingOf(results, 'S7', name);
    if (found.length === 0) return [];
    const middle = (key: keyof (typeof found)[number]) => median(found.map((one) => one[key]));
    const times = [duration(middle('waitMs') * 1_000), duration(middle('releaseMs') * 1_000)];
    return [[name, kb(middle('heapBytes')), kb(middle('leftBytes')), ...times]];
  });
  const head = ['S7  1,000 children that wait', 'heap of each', 'left after', 'until all wait', 'released in'];
  return rows.length > 0 ? [columns([head, ...rows])] : [];
};

const storedTable = ({ stored }: Results): string[] => {
  if (!stored) return [];
  const { delegation, together } = stored;
  const times = (one: number, other: number) => `${(one / other).toFixed(2)} ×`;
  return [
    columns([
      ['stored, at full durability', 'one run takes', 'a turn', 'bytes a turn', 'largest checkpoint'],
      ...stored.turns.map(({ turns, ms, bytes, checkpointBytes }) => [
        `${count(turns)} tool turns`,
        duration(ms * 1_000),
        duration((ms * 1_000) / turns),
        count(bytes / turns),
        count(checkpointBytes),
      ]),
    ]),
    [
      `one delegation: ${duration(delegation.ms * 1_000)} and ${delegation.commits} commits; ${times(delegation.ms, delegation.factsMs)} a loop that writes its facts one by one, ${times(delegation.ms, delegation.commitsMs)} one that makes the same commits`,
      `100 runs at once: ${count(together.stepsPerSecond)} steps a second; each committed alone, by hand ${count(together.handStepsPerSecond)}, by the store ${count(together.aloneStepsPerSecond)}`,
      ...stored.patient.map(
        ({ what, ms, eventsPerSecond, p99Ms }) =>
          `${what}, of models that take their time: ${duration(ms * 1_000)}, ${count(eventsPerSecond)} events a second, event loop p99 ${p99Ms.toFixed(1)} ms`,
      ),
    ].join('\n'),
  ];
};

const coldTable = ({ cold }: Results): string[] => {
  if (!cold) return [];
  const rows = Object.entries(cold.modules).map(([name, modules]) => {
    const middle = (key: 'startMs' | 'loadMs' | 'runMs' | 'doneMs') =>
      duration(1_000 * median(cold.rounds.flatMap((round) => round[name]?.[key] ?? [])));
    const loaded = Object.entries(modules).map(([of, n]) => `${of} ${n}`);
    const total = Object.values(modules).reduce((sum, n) => sum + n, 0);
    return [
      name,
      middle('startMs'),
      middle('loadMs'),
      middle('runMs'),
      middle('doneMs'),
      `${total}: ${loaded.join(', ')}`,
    ];
  });
  const head = ['cold start', 'Node', 'load', 'first delegation', 'in all', 'modules'];
  const imports = Object.entries(cold.importMs).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`);
  return [columns([head, ...rows]), `imported one after another: ${imports.join(', ')}`];
};

const sizeTable = ({ size }: Results): string[] => {
  if (!size) return [];
  const own = Object.entries(size.own).map(([name, { files, bytes, gzipBytes }]) => [
    `${name} as installed: ${files} files`,
    kb(bytes),
    kb(gzipBytes),
  ]);
  const bundles = size.bundles.map(({ what, bytes, gzipBytes }) => [`bundled: ${what}`, kb(bytes), kb(gzipBytes)]);
  return [
    columns([['size', 'JavaScript', 'gzip'], ...own, ...bundles]),
    `core installs ${size.packages.length} packages: ${size.packages.join(', ')}; its tarball has ${kb(size.tarballBytes)}`,
  ];
};

const millionTable = ({ million }: Results): string[] => {
  if (!million) return [];
  const { runs, fileBytes, fillSeconds, looks } = million;
  const head = [
    `${count(runs)} runs in ${(fileBytes / 2 ** 30).toFixed(2)} GiB, written in ${count(fillSeconds)} s`,
    'first time',
    'then',
  ];
  return [
    columns([head, ...looks.map(({ what, firstMs, ms }) => [what, duration(firstMs * 1_000), duration(ms * 1_000)])]),
  ];
};

const placedLine = ({ placed }: Results): string[] => {
  if (!placed) return [];
  const { children, oneWorker, twoWorkers, engineAlone, steerMs, takeoverMs } = placed;
  const rate = (perSecond: number) => `${Math.round(perSecond)} a second`;
  return [
    `children on workers, through pg-boss in PostgreSQL, ${children} at once: ${rate(oneWorker)} with one worker, ${rate(twoWorkers)} with two; the engine alone ${rate(engineAlone)} (${(engineAlone / oneWorker).toFixed(1)} ×)`,
    `a steer is answered in ${steerMs.toFixed(0)} ms; what a killed worker had goes on in ${(takeoverMs / 1_000).toFixed(1)} s`,
  ];
};

const lookingLine = ({ looking }: Results): string[] => {
  if (!looking) return [];
  const points = (share: number) => `${(100 * share).toFixed(0)} points`;
  const { alone, ours, theirs, eventsPerSecond, slowestFps } = looking;
  return [
    `10,000 runs, looked at, ${count(eventsPerSecond)} events a second: of CPU our page adds ${points(ours)} to ${points(alone)}, @statelyai/inspect ${points(theirs)}; ${slowestFps.toFixed(0)} frames a second where it is slowest`,
  ];
};

const targetTable = (results: Results): string[] => {
  const found = verdicts(results);
  if (found.length === 0) return [];
  const rows = found.map(({ part, what, limit, measured, byCpu, met }) => [
    `${part.padEnd(9)}${what}`,
    limit,
    measured,
    byCpu,
    met ? 'met' : 'not met',
  ]);
  return [columns([['target', 'must be', 'measured', 'by CPU', ''], ...rows])];
};

export const tablesOf = (results: Results): string =>
  [
    Object.entries(results.machine)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · '),
    ...timesTable(results),
    ...waitingTable(results),
    ...storedTable(results),
    ...coldTable(results),
    ...sizeTable(results),
    ...millionTable(results),
    ...placedLine(results),
    ...lookingLine(results),
    ...targetTable(results),
    ...results.missing.map(({ what, why }) => `Not measured: ${what}. ${why.split('\n')[0]}`),
  ].join('\n\n');
