import { isTerminal, isWithin, StoredEvent } from '@troupe/protocol';
import fc from 'fast-check';
import mermaid from 'mermaid';
import { describe, expect, test } from 'vitest';
import { momentText, spendingText, timeText } from '../../src/export/amounts.ts';
import { fenced, inline } from '../../src/export/markdown-text.ts';
import { html } from '../../src/export/markup.ts';
import { mermaidText } from '../../src/export/mermaid-text.ts';
import { textOfAnswer } from '../../src/export/story.ts';
import { ExportFormat, exportAs, toHTML, toJSONL, toMarkdown, toMermaidSequence } from '../../src/index.ts';
import { hostile, logOf, oddStory, treeOf } from './stories.ts';

const nothing = { inputTokens: 0, outputTokens: 0 };
const usageOf = { total: nothing, own: nothing, byModel: {}, turns: 0, toolCalls: 0, activeMs: 0 };

describe('as JSONL', () => {
  test('a tree is its stored events, a line each, whatever stands in them and however they are given', async () => {
    const events = await treeOf(hostile);
    const lines = toJSONL(events.toReversed()).trimEnd().split('\n');
    expect(lines.map((line) => StoredEvent.parse(JSON.parse(line)))).toEqual(events);
    expect(toJSONL([])).toBe('');
  });
});

describe('as Markdown', () => {
  test('a tree is a table of its runs, and each with what was asked, said, done and answered', async () => {
    const report = toMarkdown(await treeOf());
    expect(report.split('\n').filter((line) => /^#|^\|/.test(line))).toEqual([
      '# lead Well said.: completed',
      '| run | status | asked for | turns | used, with children | time |',
      '| --- | --- | --- | --- | --- | --- |',
      expect.stringMatching(/^\| lead Well said\. \| completed \| Well said\. \| 3 \| 75 tokens \| \d\.\d s \|$/),
      expect.stringMatching(/^\| — helper \| completed \| Well said\. \| 2 \| 30 tokens \|/),
      expect.stringMatching(/^\| — helper \| failed: model\\_error \| fail \| 1 \| 0 tokens \|/),
      '## lead Well said.',
      '### Asked',
      '### Turn 1',
      '### Call ask\\_both: ok',
      '### Turn 2',
      '### Call look: error',
      '### Call erase: error',
      '### Question',
      '### Told by a person',
      '### Turn 3',
      '### Ended: answered',
      '## helper',
      '### Asked',
      '### Turn 1',
      '### Call look: ok',
      '### Turn 2',
      '### Ended: answered',
      '## helper',
      '### Asked',
      '### Turn 1',
      '### Ended: model\\_error',
    ]);
  });

  test('no text is anything but text: fences hold, and lines stay lines', async () => {
    const report = toMarkdown(await treeOf(hostile));
    expect(outside(report).join('\n')).not.toMatch(/[^\\]<(script|img)/);
    expect(report.match(/^# .*/gm)?.[0]).toContain('lead');
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('```', '`', '~', '\n', '\n```\n', 'a', '\r', '#', '|') }),
        (text) => {
          expect(outside(`before\n${fenced(text)}\nafter`)).toEqual(['before', 'after']);
          expect(inline(text)).not.toMatch(/[\r\n]|(?<!\\)[`#|~]/);
        },
      ),
    );
  });

  test('runs that have not ended, or not well, say how they stand and why', () => {
    const report = toMarkdown(oddStory());
    for (const said of [
      '# agent of r: waits for an answer',
      '| — agent of unit | paused |',
      '| agent of stopped | interrupted: closed |',
      '- failed: Too busy.',
      '### Told by the system',
      '### Summary of 4 messages',
      '### Warning odd',
      '### Call ask: open',
      '- child far: run elsewhere',
      'Not answered.',
      'Run unit, started by r.',
      '### Ended: closed',
      '  "task": "look"',
    ])
      expect(report).toContain(said);
    const page = toHTML(oddStory());
    for (const said of [
      'not answered',
      'failed: Too busy.',
      'told by the system',
      'summary of 4 messages',
      'warning odd',
    ])
      expect(page).toContain(said);
    // a child whose events are not there is not linked
    expect(page).not.toContain('far</a>');
    expect(page.match(/<h1>/g)).toHaveLength(2);
  });

  test('no events are no runs', () => {
    expect(toMarkdown([])).toBe('# No runs\n');
  });
});

/** What of a report stands in no fence. */
const outside = (report: string): string[] => {
  const lines: string[] = [];
  let fence: string | undefined;
  for (const line of report.split('\n')) {
    const ticks = /^(`{3,})/.exec(line)?.[1];
    if (fence === undefined && ticks) fence = ticks;
    else if (fence !== undefined && ticks === line.trim() && ticks.length >= fence.length) fence = undefined;
    else if (fence === undefined) lines.push(line);
  }
  return fence === undefined ? lines : [...lines, 'A fence was not closed.'];
};

describe('as a Mermaid sequence', () => {
  test('a tree is who asked whom for what, and what came back', async () => {
    expect(toMermaidSequence(await treeOf()).split('\n')).toEqual([
      'sequenceDiagram',
      '  actor l0 as person',
      '  participant l1 as lead Well said.',
      '  participant l2 as helper',
      '  participant l3 as helper 2',
      '  participant l4 as look',
      '  participant l5 as erase',
      '  l0->>+l1: Well said.',
      '  l1->>+l2: Well said.',
      '  l1->>+l3: fail',
      '  l3--x-l1: Well said.',
      '  l2->>l4: #123;#34;at#34;#58;#34;Well said.#34;#125;',
      '  l4-->>l2: seen#58; Well said.',
      '  l2-->>-l1: Well said.',
      '  l1->>l4: #123;#34;at#34;#58;#34;nothing#34;#125;',
      '  l1->>l5: #123;#125;',
      '  l1->>l0: Well said.',
      '  l4--xl1: Well said.',
      '  l0->>l1: Well said.',
      '  l0-->>l1: declined#58; Well said.',
      '  l5--xl1: Tool execution declined#58; Well said.',
      '  l1-->>-l0: Well said.',
      '',
    ]);
  });

  test('knows a refused child, a run from the background and one that was cut off before its beginning', () => {
    const refused = { type: 'child.refused', callId: 'c', code: 'c', message: 'No more.' } as const;
    const end = { type: 'run.completed', text: '', usage: usageOf } as const;
    const lines = toMermaidSequence(logOf(refused, { ...end, runId: 'r' }, { ...end, runId: 'other' })).split('\n');
    expect(lines.slice(1)).toEqual([
      '  participant l0 as agent of r',
      '  actor l1 as person',
      '  participant l2 as agent of other',
      '  l0->>l0: No more.',
      '  l0-->>l1: run.completed',
      '  l2-->>l1: run.completed',
      '',
    ]);
  });

  test('is understood by Mermaid, whatever was said', async () => {
    for (const text of ['Well said.', hostile, 'end', ';', '#', 'wrap: no']) {
      const events = await treeOf(text);
      expect(await mermaid.parse(toMermaidSequence(events))).toMatchObject({ diagramType: 'sequence' });
      // and so is every part of it
      for (const end of [1, 5, 12]) await mermaid.parse(toMermaidSequence(events.slice(0, end)));
      await mermaid.parse(toMermaidSequence(events.filter(({ runId }) => runId !== 'tree')));
      await mermaid.parse(toMermaidSequence(events.filter(isTerminal)));
    }
    const texts = fc.array(fc.string({ unit: 'binary' }), { minLength: 20, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(texts, async (texts) => {
        const lines = texts.map((text, n) => {
          const label = mermaidText(text) || '-';
          return `participant p${n} as ${label}\n p${n}->>p${n}: ${label}`;
        });
        await mermaid.parse(['sequenceDiagram', ...lines].join('\n'));
      }),
      { numRuns: 20 },
    );
  }, 30_000);
});

describe('words and signs', () => {
  test('a label of Mermaid is one line', () => {
    expect(mermaidText(' a\n  b\t#1 ')).toBe('a b #35;1');
  });

  test('amounts are short', () => {
    expect([0, 949, 12_000, 185_000, 3_720_000].map(timeText)).toEqual([
      '0.0 s',
      '0.9 s',
      '12.0 s',
      '3 min 5 s',
      '1 h 2 min',
    ]);
    const used = (tokens: number, costUsd: number | null) => spendingText({ tokens, costUsd });
    expect([used(12, null), used(12_345, 0.00123), used(2_000_000, 1.5), used(0, 0)]).toEqual([
      '12 tokens',
      '12.3k tokens, $0.0012',
      '2.00M tokens, $1.50',
      '0 tokens, $0.00',
    ]);
    expect(momentText(0)).toBe('1970-01-01 00:00:00 UTC');
  });

  test('whatever stands in a piece of HTML is text, unless it is such a piece', () => {
    expect(html`<p title="${'"&\''}">${'<b>'}${1}${undefined}${html`<i>${'>'}</i>`}${[html`<u></u>`]}</p>`.markup).toBe(
      '<p title="&quot;&amp;&#39;">&lt;b&gt;1<i>&gt;</i><u></u></p>',
    );
  });

  test('an answer is in its own words', () => {
    expect([true, 'Berlin', { value: { a: 1 } }, { value: 'x' }, { decline: 'no' }].map(textOfAnswer)).toEqual([
      'true',
      'Berlin',
      '{\n  "a": 1\n}',
      'x',
      'declined: no',
    ]);
  });

  test('a run is exported with all below it, in every format, under a name for a file', async () => {
    const events = await treeOf();
    const [root] = events;
    const child = events.find(({ runId }) => runId !== root?.runId)?.runId ?? '';
    const below = exportAs('jsonl', child, events);
    expect(below?.text).toBe(toJSONL(events.filter(({ runId }) => isWithin(runId, child))));
    expect(below?.name).toMatch(/^[\w.-]+\.jsonl$/);
    const files = ExportFormat.options.map((as) => exportAs(as, root?.runId ?? '', events));
    expect(new Set(files.map((file) => file?.name)).size).toBe(ExportFormat.options.length);
    for (const file of files)
      expect(file).toMatchObject({ mediaType: expect.any(String), text: expect.stringMatching(/./) });
    expect(files[0]?.text).toBe(toHTML(events));
    expect(exportAs('html', 'nowhere', events)).toBeUndefined();
  });

  test('an export of nothing says so', () => {
    expect(toHTML([])).toContain('<p>No runs.</p>');
    expect(toMermaidSequence([])).toBe('sequenceDiagram\n');
  });
});
