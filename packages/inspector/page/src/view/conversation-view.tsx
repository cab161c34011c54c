import { useRef, useState } from 'preact/hooks';
import type { Entry } from '../../../src/wire.ts';
import { details, dialog, goTo } from '../app.ts';
import { timeText } from '../model/words.ts';
import { EntryBody } from './entry-body.tsx';
import { Sign } from './icons.tsx';
import { useFollow } from './use-window.ts';

const PAGE = 200;

/** What was said in the selected run, and done. */
export const ConversationView = () => {
  const ref = useRef<HTMLDivElement>(null);
  const [pages, setPages] = useState(1);
  const { entries = [], rowId } = details() ?? {};
  useFollow(ref, entries.at(-1));
  const shown = entries.slice(-PAGE * pages);
  return (
    <div class="conversation" ref={ref} tabIndex={0} role="log" aria-label="Conversation" aria-live="off">
      {entries.length === 0 && <p class="empty">Nothing has been said yet.</p>}
      {shown.length < entries.length && (
        <button type="button" class="more" onClick={() => setPages(pages + 1)}>
          Show what was before ({entries.length - shown.length})
        </button>
      )}
      {shown.map((entry) => (
        <article key={`${rowId} ${entry.id}`} class={`entry ${entry.type}`}>
          <Margin entry={entry} />
          <div class="body">
            <EntryBody entry={entry} />
          </div>
        </article>
      ))}
    </div>
  );
};

const Margin = ({ entry: { at, rootSeq, eventId } }: { entry: Entry }) => (
  <aside>
    <time>{timeText(at).slice(0, 8)}</time>
    <span class="tools">
      {rootSeq !== undefined && (
        <button
          type="button"
          class="quiet"
          aria-label="Go to this moment"
          title="Go to this moment"
          onClick={() => goTo(rootSeq)}
        >
          <Sign name="first" />
        </button>
      )}
      {eventId !== undefined && (
        <button
          type="button"
          class="quiet"
          aria-label="Fork from here"
          title="Fork from here"
          onClick={() => (dialog.value = { type: 'fork', at: eventId })}
        >
          <Sign name="fork" />
        </button>
      )}
    </span>
  </aside>
);
