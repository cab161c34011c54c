import { goTo, goToPresent, happenings, isPast, moment, seen, selectedLine } from '../app.ts';
import { timeText } from '../model/words.ts';
import { Sign } from './icons.tsx';

/** Goes one event of the tree back or forth. Past the last one is the present. */
export const moveBy = (by: number): void => {
  const rootId = selectedLine()?.rootId;
  if (rootId === undefined) return;
  const head = seen().heads.get(rootId) ?? 0;
  const to = (moment.value?.rootSeq ?? head) + by;
  if (to >= head) goToPresent();
  else goTo(to);
};

/** The past of the selected tree, from its first event to its last. Everything on the page follows. */
export const TimeBar = () => {
  const rootId = selectedLine()?.rootId;
  const head = rootId === undefined ? 0 : (seen().heads.get(rootId) ?? 0);
  if (rootId === undefined || head === 0 || seen().hello?.source === 'actors') return null;
  const here = moment.value?.rootSeq ?? head;
  const event = isPast.value ? happenings(rootId).findLast(({ rootSeq }) => rootSeq <= here) : undefined;
  const root = seen().forest.lines.get(rootId);
  const share = head > 1 ? (here - 1) / (head - 1) : 1;
  return (
    <section class={`time${isPast.value ? ' past' : ''}`} aria-label="Time">
      <button
        type="button"
        class="quiet"
        aria-label="To the first event"
        title="To the first event"
        onClick={() => goTo(1)}
      >
        <Sign name="first" />
      </button>
      <button
        type="button"
        class="quiet"
        aria-label="One event back"
        title="One event back (,)"
        onClick={() => moveBy(-1)}
      >
        <Sign name="back" />
      </button>
      <button
        type="button"
        class="quiet"
        aria-label="One event forth"
        title="One event forth (.)"
        disabled={!isPast.value}
        onClick={() => moveBy(1)}
      >
        <Sign name="forth" />
      </button>
      <input
        type="range"
        min={1}
        max={head}
        value={here}
        style={{ '--share': `${share * 100}%` }}
        aria-label="Event of the tree"
        aria-valuetext={isPast.value ? `event ${here} of ${head}${event ? `, ${event.type}` : ''}` : 'the present'}
        onInput={(input) => {
          const to = Number(input.currentTarget.value);
          if (to >= head) goToPresent();
          else goTo(to);
        }}
      />
      <output>
        {here.toLocaleString('en')} / {head.toLocaleString('en')}
        {event && (
          <small>
            {timeText(event.at)} · {event.type}
          </small>
        )}
      </output>
      <button
        type="button"
        class={`live${isPast.value ? ' main' : ''}`}
        aria-pressed={!isPast.value}
        title="Back to the present (l)"
        onClick={goToPresent}
      >
        <i />
        {root?.endedAt === undefined ? 'Live' : 'End'}
      </button>
    </section>
  );
};
