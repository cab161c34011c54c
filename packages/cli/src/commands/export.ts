import type { StoredEvent } from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openOutput } from './output.ts';
import { openWorkspace } from './workspace.ts';

type Format = 'markdown' | 'html' | 'jsonl' | 'mermaid';

/** A tree as one text: a report, a page, its events, a sequence diagram. With `--json` the text is `{"text":…}`. */
export const exportRun: Action<[runId: string], CommonFlags & { as: Format }> = async ({
  args: [runId],
  flags,
  terminal,
}) => {
  const output = openOutput(terminal, flags.json);
  const workspace = await openWorkspace(flags, terminal);
  try {
    await workspace.runtime.attach(runId);
    const row = await workspace.runtime.runs.get(runId);
    const events: StoredEvent[] = [];
    for await (const event of workspace.store.events({ rootId: row?.rootId ?? runId })) events.push(event);
    const { toHTML, toJSONL, toMarkdown, toMermaidSequence } = await import('@troupe/inspector');
    const as = { markdown: toMarkdown, html: toHTML, jsonl: toJSONL, mermaid: toMermaidSequence };
    const text = as[flags.as](events);
    output.give({ runId, as: flags.as, text }, () => text.trimEnd());
    return exitCode.done;
  } finally {
    await workspace.close();
  }
};
