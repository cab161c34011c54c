import { useEffect, useMemo, useState } from 'preact/hooks';
import { dialog, forest, frame, linkState, retry, seen } from '../app.ts';
import { costText, countText } from '../model/words.ts';
import { nextTheme, theme } from '../theme.ts';
import { Sign } from './icons.tsx';

const STATES = {
  connecting: 'Connecting…',
  open: 'Live',
  lost: 'Connection lost',
  outdated: 'Other version',
} as const;

/** The whole program in one line. */
export const Header = () => {
  const { hello, spawningPaused, older } = seen();
  const now = frame();
  const [last, setLast] = useState(now);
  // What is told last counts, too.
  useEffect(() => {
    const timer = setTimeout(setLast, 250, now);
    return () => clearTimeout(timer);
  }, [now]);
  // Five times a second is enough for sums over thousands of rows.
  const sums = useMemo(sum, [Math.floor(now / 4), last, forest()]);
  const state = linkState.value;
  return (
    <header class="header">
      <h1>
        <svg viewBox="0 0 32 32" aria-hidden="true" class="logo">
          <circle cx="16" cy="9" r="4" class="full" />
          <circle cx="8" cy="23" r="4" />
          <circle cx="24" cy="23" r="4" />
          <path d="m14 12.500-4.200 7M18 12.500l4.200 7" />
        </svg>
        Troupe <span>inspector</span>
      </h1>
      {hello && (
        <span class="source" title={hello.source}>
          {hello.name}
        </span>
      )}
      <span class={`link ${state}`} role="status">
        <i />
        {STATES[state]}
      </span>
      <dl class="sums" {...(older && { title: 'Of the runs that are shown: older ones are stored' })}>
        <Sum name="open" value={countText(sums.busy)} />
        <Sum name="ended" value={`${countText(sums.ended)}${older ? '+' : ''}`} />
        {sums.failed > 0 && <Sum name="failed" value={countText(sums.failed)} tone="bad" />}
        {hello?.source !== 'actors' && (
          <>
            <Sum name="tokens" value={countText(sums.tokens)} />
            <Sum name="cost" value={costText(sums.costUsd)} />
          </>
        )}
        <Sum name="events" value={countText(seen().told)} />
      </dl>
      <span class="gap" />
      {spawningPaused && (
        <span
          class="held"
          title="The program refuses every new child, whichever run asks. Only it can allow that again."
        >
          Spawning paused by the program
        </span>
      )}
      <button
        type="button"
        class="quiet"
        title={`Theme: ${theme.value} (t)`}
        aria-label={`Theme: ${theme.value}`}
        onClick={nextTheme}
      >
        <Sign name={theme.value} />
      </button>
      <button
        type="button"
        class="quiet"
        title="Keys and words (?)"
        aria-label="Help"
        onClick={() => (dialog.value = { type: 'help' })}
      >
        <Sign name="help" />
      </button>
    </header>
  );
};

const sum = () => {
  const sums = { busy: 0, ended: 0, failed: 0, tokens: 0, costUsd: null as number | null };
  for (const line of forest().lines.values()) {
    if (line.endedAt === undefined) sums.busy += 1;
    else sums.ended += 1;
    if (line.kind === 'actor') continue;
    if (line.status === 'failed') sums.failed += 1;
    sums.tokens += line.own.tokens;
    if (line.own.costUsd !== null) sums.costUsd = (sums.costUsd ?? 0) + line.own.costUsd;
  }
  return sums;
};

const Sum = ({ name, value, tone = '' }: { name: string; value: string; tone?: string }) => (
  <div class={tone}>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

/** What stands between a person and the truth: no connection, or a page that is too old. */
export const LinkBar = () => {
  const state = linkState.value;
  if (state === 'lost')
    return (
      <div class="bar bad" role="alert">
        <span>
          <b>Connection lost.</b> What you see is how it stood last. The page connects again by itself as soon as the
          program answers, and misses nothing.
        </span>
        <button type="button" onClick={retry}>
          Try now
        </button>
      </div>
    );
  if (state === 'outdated')
    return (
      <div class="bar bad" role="alert">
        <span>
          <b>This page is of another version</b> than the program that it watches.
        </span>
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </div>
    );
  return null;
};
