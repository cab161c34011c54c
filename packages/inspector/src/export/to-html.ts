import type { StoredEvent } from '@troupe/protocol';
import { spendingText, timeText } from './amounts.ts';
import { type AnchorOf, runOf } from './html-run.ts';
import { style } from './html-style.ts';
import { timelineOf } from './html-timeline.ts';
import { html, type Markup } from './markup.ts';
import { allOf, type Chapter, lengthOf, statusText, storyOf } from './story.ts';

/**
 * A run or a tree as one HTML file: its timeline, and the tree itself, each run with all that was said in it. It needs nothing else: it
 * loads nothing, runs no script and may not, and shows whatever came from outside as text. Light or dark, as the reader's system.
 */
export const toHTML = (events: readonly StoredEvent[]): string => {
  const chapters = storyOf(events);
  const anchors = new Map(allOf(chapters).map(({ chapter }, n) => [chapter.line.id, `run-${n + 1}`]));
  const anchorOf: AnchorOf = (runId) => anchors.get(runId) ?? '';
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${titleOf(chapters)}</title>
<style>${style}</style>
</head>
<body>
<main>
${chapters.length === 0 ? html`<p>No runs.</p>` : contentOf(chapters, anchorOf)}
</main>
</body>
</html>
`;
  return page.markup;
};

const titleOf = (chapters: readonly Chapter[]): string =>
  chapters.map(({ line }) => `${line.name}: ${statusText(line)}`).join(', ') || 'No runs';

const contentOf = (chapters: readonly Chapter[], anchorOf: AnchorOf): Markup => {
  const heads = chapters.map(
    ({ line }) => html`<h1>${line.name} <span class="status ${line.status}">${statusText(line)}</span></h1>
<p>${line.title}</p>
<p class="dim">${spendingText(line.total)} · ${timeText(lengthOf(line))}</p>`,
  );
  return html`<header>${heads}</header>
<section><h2>Timeline</h2>${timelineOf(chapters, anchorOf)}</section>
<section><h2>Runs</h2>${chapters.map((chapter) => runOf(chapter, anchorOf))}</section>`;
};
