import { computed, effect, signal } from '@preact/signals';

const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'troupe.inspector.theme';
/** What was stored cannot be read where a page may store nothing, as in a frame of another origin. */
const stored = (): Theme => {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'auto';
  } catch {
    return 'auto';
  }
};

/** `auto` follows the system. */
export const theme = signal<Theme>(stored());

const system = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(system.matches);
system.addEventListener('change', ({ matches }) => {
  systemIsDark.value = matches;
});

/** What the page looks like. Style sheets and canvases go by it alone, so a palette is written once. */
export const scheme = computed(() => (theme.value === 'auto' ? (systemIsDark.value ? 'dark' : 'light') : theme.value));

export const nextTheme = (): void => {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
};

effect(() => {
  document.documentElement.dataset.theme = scheme.value;
});

effect(() => {
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // It is only forgotten with the page.
  }
});
