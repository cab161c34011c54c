import { useSignal } from '@preact/signals';
import { useLayoutEffect, useMemo } from 'preact/hooks';
import type { Line } from '../../../src/wire.ts';
import {
  filter,
  fold,
  folded,
  forest,
  frame,
  isPast,
  isSearching,
  moment,
  seen,
  select,
  selected,
  shownNow,
  showOlder,
} from '../app.ts';
import { agentsOf, noFilter, type TreeRow, treeRows } from '../model/tree-rows.ts';
import { activityOf, ageText, costText, countText, standingOf, tightest } from '../model/words.ts';
import { Mark, Sign } from './icons.tsx';
import { Meter } from './meter.tsx';
import { useWindow } from './use-window.ts';

const ROW = 28;

/** Every run, below the one that started it. */
export const TreeView = () => {
  const shape = `${forest().shape} ${moment.value?.rootSeq ?? ''} ${forest().lines.size}`;
  const filtered = filter.value !== noFilter;
  // Without a filter the order of rows changes only with the shape: thousands of rows are not walked for every frame.
  const rows = useMemo(
    () => treeRows(forest(), filter.value, folded.value),
    [shape, filter.value, folded.value, filtered ? frame() : 0],
  );
  const agents = useMemo(() => agentsOf(forest()).slice(0, 500), [shape]);
  const list = useWindow(rows.length, ROW);
  const focused = useSignal(false);
  const place = rows.findIndex(({ line }) => line.id === selected.value);

  useLayoutEffect(() => {
    if (place < 0) return;
    list.reveal(place);
    if (focused.value) list.ref.current?.querySelector<HTMLElement>('[aria-selected=true]')?.focus();
  }, [selected.value]);

  const onKeyDown = (event: KeyboardEvent) => {
    const to = moved(event.key, rows, place, Math.floor((list.ref.current?.clientHeight ?? 0) / ROW));
    if (to === undefined) return;
    event.preventDefault();
    const row = rows[to];
    if (row) select(row.line.id);
  };

  return (
    <section class="tree" aria-label="Runs">
      <Filters shown={rows.filter(({ dim }) => !dim).length} agents={agents} />
      <Older />
      <div class="columns" aria-hidden="true">
        <span>Run</span>
        <span class="doing">Doing</span>
        <span class="budget">Budget</span>
        <span>Tokens</span>
        <span>Cost</span>
        <span>Age</span>
      </div>
      <div
        class="rows"
        ref={list.ref}
        onScroll={list.onScroll}
        onKeyDown={onKeyDown}
        onFocusIn={() => (focused.value = true)}
        onFocusOut={() => (focused.value = false)}
        role="treegrid"
        aria-label="Runs"
        aria-rowcount={rows.length}
        tabIndex={place < 0 ? 0 : -1}
      >
        <div class="room" style={{ height: `${rows.length * ROW}px` }} role="presentation">
          {rows.slice(list.first, list.last).map((row, index) => (
            <Row
              key={row.line.id}
              row={row}
              line={forest().lines.get(row.line.id) ?? row.line}
              index={list.first + index}
            />
          ))}
        </div>
        {rows.length === 0 && <Empty />}
      </div>
    </section>
  );
};

/** Where more runs are stored than are shown. */
const Older = () =>
  seen().older && !isPast.value ? (
    <p class="older">
      Older runs are stored.
      <button type="button" disabled={isSearching.value} onClick={() => void showOlder()}>
        {isSearching.value ? 'Reading…' : 'Show older runs'}
      </button>
    </p>
  ) : null;

/** Why no run is shown. One that is stored may be looked for by its id. */
const Empty = () => {
  const id = filter.value.text.trim();
  if (filter.value === noFilter) return <p class="empty">No run has started yet.</p>;
  return (
    <div class="empty">
      <p>No run matches{seen().older ? ' of those that are shown' : ''}.</p>
      {seen().older && id !== '' && (
        <button type="button" disabled={isSearching.value} onClick={() => void showOlder(id)}>
          Look for a stored run with the id “{id}”
        </button>
      )}
    </div>
  );
};

/** Where a key leads, or what it folds. */
const moved = (key: string, rows: readonly TreeRow[], place: number, page: number): number | undefined => {
  const row = rows[place];
  const within = (index: number) => Math.max(0, Math.min(rows.length - 1, index));
  switch (key) {
    case 'ArrowDown':
      return within(place + 1);
    case 'ArrowUp':
      return within(place - 1);
    case 'PageDown':
      return within(place + page);
    case 'PageUp':
      return within(place - page);
    case 'Home':
      return 0;
    case 'End':
      return rows.length - 1;
    case 'ArrowRight':
      if (!row || row.leaf) return undefined;
      if (row.open) return within(place + 1);
      fold(row.line.id, false);
      return place;
    case 'ArrowLeft': {
      if (!row) return undefined;
      if (row.open) {
        fold(row.line.id, true);
        return place;
      }
      const above = rows.slice(0, place).findLastIndex(({ depth }) => depth < row.depth);
      return above < 0 ? place : above;
    }
    default:
      return undefined;
  }
};

type RowProps = { row: TreeRow; line: Line; index: number };

const Row = ({ row: { depth, open, leaf, dim }, line, index }: RowProps) => {
  const isSelected = selected.value === line.id;
  const run = line.kind === 'run' ? line : undefined;
  const gauge = run && tightest(run.gauges, shownNow.value);
  const activity = activityOf(line);
  return (
    <div
      class={`row${isSelected ? ' selected' : ''}${dim ? ' dim' : ''}`}
      style={{ top: `${index * ROW}px`, '--depth': Math.min(depth, 12) }}
      role="row"
      aria-level={depth + 1}
      aria-rowindex={index + 1}
      aria-selected={isSelected}
      {...(!leaf && { 'aria-expanded': open })}
      tabIndex={isSelected ? 0 : -1}
      onClick={() => select(line.id)}
      onKeyDown={(event) => event.key === 'Enter' && select(line.id)}
    >
      <span role="gridcell" class="who">
        {leaf ? (
          <i class="twist" />
        ) : (
          <button
            type="button"
            class="twist"
            tabIndex={-1}
            aria-label={open ? 'Hide its children' : 'Show its children'}
            onClick={(event) => {
              event.stopPropagation();
              fold(line.id, open);
            }}
          >
            <Sign name={open ? 'open' : 'folded'} />
          </button>
        )}
        <Mark standing={standingOf(line)} />
        <b title={line.id}>{line.name}</b>
        {run?.spawningPaused && run.endedAt === undefined && (
          <span
            class="held"
            role="img"
            aria-label="spawning paused"
            title="It and all below it are refused new children"
          >
            <Sign name="hold" />
          </span>
        )}
        {run && <small title={run.title}>{run.title}</small>}
      </span>
      <span role="gridcell" class="doing" title={run?.trouble ?? activity}>
        {activity}
      </span>
      <span role="gridcell" class="budget">
        {gauge && <Meter gauge={gauge} now={shownNow.value} />}
      </span>
      <span role="gridcell" class="number">
        {run ? countText(run.total.tokens) : ''}
      </span>
      <span role="gridcell" class="number">
        {run ? costText(run.total.costUsd) : ''}
      </span>
      <span role="gridcell" class="number">
        {ageText((line.endedAt ?? shownNow.value) - line.createdAt)}
      </span>
    </div>
  );
};

const STATUSES = [
  ['', 'Any status'],
  ['active', 'Not ended'],
  ['asking', 'Asks a person'],
  ['running', 'Running'],
  ['queued', 'Queued'],
  ['paused', 'Paused'],
  ['completed', 'Completed'],
  ['failed', 'Failed'],
  ['interrupted', 'Interrupted'],
] as const;

const Filters = ({ shown, agents }: { shown: number; agents: readonly string[] }) => {
  const change = (part: Partial<typeof noFilter>) => {
    const next = { ...filter.value, ...part };
    filter.value = next.text === '' && next.status === '' && next.agent === '' ? noFilter : next;
  };
  const { text, status, agent } = filter.value;
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        id="filter"
        type="search"
        placeholder="Filter by name, job, tool…"
        aria-label="Filter runs by name, job or tool"
        value={text}
        onInput={(event) => change({ text: event.currentTarget.value })}
      />
      <select aria-label="Status" value={status} onChange={(event) => change({ status: event.currentTarget.value })}>
        {STATUSES.map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
      <select aria-label="Agent" value={agent} onChange={(event) => change({ agent: event.currentTarget.value })}>
        <option value="">Any agent</option>
        {agents.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <output aria-label="Runs shown">{countText(shown)}</output>
    </form>
  );
};
