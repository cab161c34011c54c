import { useSignal } from '@preact/signals';
import { dismiss, linkState, notes, seen, selectedLine, TABS, type Tab, tab } from '../app.ts';
import { ChartView } from './chart-view.tsx';
import { ConversationView } from './conversation-view.tsx';
import { Dialogs } from './dialogs.tsx';
import { EventsView } from './events-view.tsx';
import { Header, LinkBar } from './header.tsx';
import { QuestionBar } from './question-bar.tsx';
import { RunHead } from './run-head.tsx';
import { SequenceView } from './sequence-view.tsx';
import { TimeBar } from './time-bar.tsx';
import { TimelineView } from './timeline-view.tsx';
import { TreeView } from './tree-view.tsx';

const NAMES: Record<Tab, string> = {
  chart: 'Chart',
  conversation: 'Conversation',
  timeline: 'Timeline',
  sequence: 'Sequence',
  events: 'Events',
};
const VIEWS: Record<Tab, () => preact.JSX.Element> = {
  chart: () => <ChartView />,
  conversation: () => <ConversationView />,
  timeline: () => <TimelineView />,
  sequence: () => <SequenceView />,
  events: () => <EventsView />,
};

/** The whole page. */
export const Page = () => {
  const left = useSignal(500);
  return (
    <div class={`page ${linkState.value}`} style={{ '--left': `${left.value}px` }}>
      <Header />
      <LinkBar />
      <QuestionBar />
      <main>
        <TreeView />
        <Splitter width={left.value} onWidth={(width) => (left.value = width)} />
        <div class="right">
          {selectedLine() ? <Selected /> : <Nobody />}
          <TimeBar />
        </div>
      </main>
      <Dialogs />
      <Notes />
    </div>
  );
};

const Selected = () => (
  <>
    <RunHead />
    <Tabs />
    <div class="view" role="tabpanel" id="view" aria-labelledby={`tab-${tab.value}`}>
      {VIEWS[tab.value]()}
    </div>
  </>
);

const Tabs = () => {
  const tabs: Tab[] = seen().hello?.source === 'actors' ? TABS.filter((one) => one !== 'conversation') : [...TABS];
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = by === 0 ? undefined : tabs[(tabs.indexOf(tab.value) + by + tabs.length) % tabs.length];
    if (!next) return;
    tab.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Views" onKeyDown={onKeyDown}>
      {tabs.map((one) => (
        <button
          key={one}
          id={`tab-${one}`}
          type="button"
          role="tab"
          aria-selected={tab.value === one}
          aria-controls="view"
          tabIndex={tab.value === one ? 0 : -1}
          onClick={() => (tab.value = one)}
        >
          {NAMES[one]}
        </button>
      ))}
    </div>
  );
};

const Nobody = () => {
  const { hello } = seen();
  const address = hello?.source === 'actors' ? hello.inspectUrl : '';
  return (
    <div class="nobody">
      <p>
        {linkState.value === 'open'
          ? 'Nothing has run yet. What starts is shown here at once.'
          : 'Waiting for the program…'}
      </p>
      {address && (
        <p>
          Programs may send Stately’s inspection messages to <code>{address}</code>
        </p>
      )}
    </div>
  );
};

const NARROW = 320;
const WIDE = 760;

const Splitter = ({ width, onWidth }: { width: number; onWidth: (width: number) => void }) => {
  const set = (next: number) => onWidth(Math.max(NARROW, Math.min(WIDE, next)));
  return (
    <div
      class="splitter"
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the list of runs"
      aria-valuemin={NARROW}
      aria-valuemax={WIDE}
      aria-valuenow={width}
      tabIndex={0}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && set(event.clientX)}
      onKeyDown={(event) => {
        if (event.key === 'ArrowLeft') set(width - 20);
        if (event.key === 'ArrowRight') set(width + 20);
      }}
    />
  );
};

const Notes = () => (
  <div class="notes" role="log" aria-label="Receipts" aria-live="polite">
    {notes.value.map(({ id, text, tone }) => (
      <p key={id} class={`note ${tone}`}>
        {text}
        <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
          ×
        </button>
      </p>
    ))}
  </div>
);
