import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { dialog, forest, goTo, happenings, moment, seen, selectedLine } from '../app.ts';
import { timeText } from '../model/words.ts';
import { Sign } from './icons.tsx';
import { useFollow, useWindow } from './use-window.ts';

const ROW = 26;

const laneText = (id: string): string =>
  seen().forest.lines.get(id)?.name ?? (id.startsWith('tool:') ? id.slice(5) : id);

/** All that happened, as text: what the timeline and the sequence draw. */
export const EventsView = () => {
  const text = useSignal('');
  const whole = useSignal(false);
  const line = selectedLine();
  const told = happenings(line?.rootId);
  const shown = useMemo(() => {
    const wanted = text.value.toLowerCase();
    return told.filter(
      ({ type, text: words, rowId, from, to }) =>
        (whole.value || rowId === line?.id || from === line?.id || to === line?.id) &&
        (wanted === '' || `${type} ${words} ${laneText(rowId)}`.toLowerCase().includes(wanted)),
    );
  }, [told, told.length, told.at(-1)?.id, text.value, whole.value, line?.id]);
  const list = useWindow(shown.length, ROW);
  useFollow(list.ref, shown.length);
  const until = moment.value?.rootSeq ?? Number.POSITIVE_INFINITY;
  const forkable = seen().hello?.source !== 'actors';
  return (
    <div class="events">
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <input
          type="search"
          aria-label="Filter events"
          placeholder="Filter events…"
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <button type="button" aria-pressed={whole.value} onClick={() => (whole.value = !whole.value)}>
          Whole tree
        </button>
        <output>{shown.length.toLocaleString('en')}</output>
      </form>
      <div class="list" ref={list.ref} onScroll={list.onScroll} role="list" aria-label="Events">
        <div class="room" style={{ height: `${shown.length * ROW}px` }} role="presentation">
          {shown.slice(list.first, list.last).map((one, index) => (
            <div
              key={one.id}
              role="listitem"
              class={`event${one.rootSeq > until ? ' later' : ''}${one.rootSeq === until ? ' selected' : ''}`}
              style={{ top: `${(list.first + index) * ROW}px` }}
            >
              <button type="button" class="what" onClick={() => goTo(one.rootSeq)} title="Go to this moment">
                <time>{timeText(one.at)}</time>
                <b>{one.type}</b>
                <span class="lanes">
                  {one.from === one.to ? laneText(one.from) : `${laneText(one.from)} → ${laneText(one.to)}`}
                </span>
                <span class="words">{one.text}</span>
              </button>
              {forkable && forest().lines.size > 0 && (
                <button
                  type="button"
                  class="quiet"
                  aria-label="Fork from here"
                  title="Fork from here"
                  onClick={() => (dialog.value = { type: 'fork', at: one.id })}
                >
                  <Sign name="fork" />
                </button>
              )}
            </div>
          ))}
        </div>
        {shown.length === 0 && <p class="empty">No event.</p>}
      </div>
    </div>
  );
};
