import type { Standing } from '../model/words.ts';

const PATHS: Record<Standing, preact.JSX.Element> = {
  busy: (
    <>
      <circle cx="8" cy="8" r="5.5" class="track" />
      <path d="M8 2.5A5.5 5.5 0 0 1 13.5 8" class="spin" />
    </>
  ),
  waiting: <path d="M5.5 4v8M10.5 4v8" />,
  asking: (
    <>
      <circle cx="8" cy="8" r="7" class="full" />
      <path d="M6 6.2c.2-2.6 4-2.4 4 0 0 1.6-2 1.7-2 3.2M8 11.6v.2" class="on" />
    </>
  ),
  done: <path d="m3.5 8.5 3 3 6-7" />,
  failed: <path d="m4 4 8 8m0-8-8 8" />,
  stopped: <rect x="4" y="4" width="8" height="8" rx="1.5" class="full" />,
};

const WORDS: Record<Standing, string> = {
  busy: 'running',
  waiting: 'waiting',
  asking: 'asks a person',
  done: 'completed',
  failed: 'failed',
  stopped: 'interrupted',
};

/** How a run stands, as a sign that reads without its colour. */
export const Mark = ({ standing }: { standing: Standing }) => (
  <svg class={`mark ${standing}`} viewBox="0 0 16 16" role="img" aria-label={WORDS[standing]}>
    {PATHS[standing]}
  </svg>
);

const SIGNS = {
  folded: 'm6 4 4 4-4 4',
  open: 'm4 6 4 4 4-4',
  first: 'M12 3 7 8l5 5M4 3v10',
  back: 'm10 3-5 5 5 5',
  forth: 'm6 3 5 5-5 5',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  resume: 'm5 3 8 5-8 5Z',
  steer: 'M2.5 8h9M8 4l4 4-4 4',
  stop: 'M4 4h8v8H4Z',
  raise: 'M8 13V3M4 7l4-4 4 4',
  fork: 'M4.5 3v3c0 2 1.5 2.5 3.5 2.5h3.5M4.5 6v7M9.5 6l2.5 2.5L9.5 11',
  hold: 'M8 3v3.5M8 6.5 4 10M8 6.5l4 3.5M2.5 13.5h11',
  take: 'M8 3v7M5 7.5 8 10.5l3-3M3 13h10',
  close: 'm4 4 8 8m0-8-8 8',
  words: 'M3 4h10M3 8h7M3 12h9',
  fit: 'M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  light:
    'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7',
  dark: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z',
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 0v12',
  help: 'M6 6.2c.2-2.6 4-2.4 4 0 0 1.6-2 1.7-2 3.2M8 11.8v.2',
} as const;

/** A sign on a button whose name says what it does. */
export const Sign = ({ name }: { name: keyof typeof SIGNS }) => (
  <svg class="sign" viewBox="0 0 16 16" aria-hidden="true">
    <path d={SIGNS[name]} />
  </svg>
);
