import type { Entry } from '../wire.ts';
import { momentText, spendingText, timeText } from './amounts.ts';
import { html, type Markup } from './markup.ts';
import { type Chapter, lengthOf, statusText, textOfAnswer, textOfValue } from './story.ts';

/** Where the page shows a run; empty when it does not. */
export type AnchorOf = (runId: string) => string;

/** A run, what was said in it, and the runs below it: to be opened and closed. */
export const runOf = ({ line, entries, children }: Chapter, anchorOf: AnchorOf): Markup => {
  const about = [spendingText(line.total), timeText(lengthOf(line)), ...(line.model ? [line.model] : [])].join(' · ');
  return html`<details class="run" id="${anchorOf(line.id)}" open>
<summary>${line.name} <span class="status ${line.status}">${statusText(line)}</span> <span class="dim">${line.title}</span></summary>
<p class="dim">${line.id} · since ${momentText(line.createdAt)} · ${about}</p>
${entries.map((each) => entryOf(each, anchorOf))}
${children.map((child) => runOf(child, anchorOf))}
</details>`;
};

const entry = (title: string | Markup, ...rest: Markup[]): Markup =>
  html`<div class="entry"><h3>${title}</h3>${rest}</div>`;
const pre = (text: string): Markup => html`<pre>${text}</pre>`;
const folded = (title: string, text: string): Markup =>
  html`<details><summary>${title}</summary>${pre(text)}</details>`;

const entryOf = (given: Entry, anchorOf: AnchorOf): Markup => {
  switch (given.type) {
    case 'job':
      return entry(
        'asked',
        pre(textOfValue(given.input)),
        ...(given.constraints ?? []).map((each) => html`<p>Rule: ${each}</p>`),
      );
    case 'told':
      return entry(given.by === 'person' ? 'told by a person' : 'told by the system', pre(given.text));
    case 'turn':
      return turnOf(given);
    case 'call':
      return callOf(given, anchorOf);
    case 'question':
      return entry(
        'question',
        pre(given.question.prompt),
        given.answer === undefined ? html`<p class="paused">not answered</p>` : pre(textOfAnswer(given.answer)),
      );
    case 'compacted':
      return entry(`summary of ${given.summarized} messages`, pre(given.summary));
    case 'warning':
      return entry(`warning ${given.code}`, pre(given.message));
    case 'end':
      return entry(
        html`<span class="${given.status}">ended: ${given.exitReason}</span>`,
        ...(given.fault ? [pre(given.fault.message)] : []),
        ...(given.text === null ? [] : [pre(given.text)]),
      );
  }
};

const turnOf = ({ turn, model, text, reasoning, attempts = [], usage }: Extract<Entry, { type: 'turn' }>): Markup => {
  const used = usage ? ` · ${usage.inputTokens} tokens in, ${usage.outputTokens} out` : '';
  return entry(
    `turn ${turn} · ${model}${used}`,
    ...attempts.map((each) => html`<p class="error">failed: ${each}</p>`),
    ...(reasoning === undefined ? [] : [folded('reasoning', reasoning)]),
    ...(text === '' ? [] : [pre(text)]),
  );
};

const callOf = (call: Extract<Entry, { type: 'call' }>, anchorOf: AnchorOf): Markup => {
  const children = call.children.flatMap(({ runId, agent }) =>
    anchorOf(runId) === '' ? [] : [html` <a href="#${anchorOf(runId)}">${agent}</a>`],
  );
  return html`<div class="entry"><details><summary>${call.tool} <span class="${call.status}">${call.status}</span>${children}</summary>
${pre(textOfValue(call.arguments))}${call.result === undefined ? undefined : pre(call.result)}</details></div>`;
};
