import type { ExportFormat } from '@troupe/inspector';
import { FaultError, type StoredEvent } from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openOutput } from './output.ts';
import { openWorkspace } from './workspace.ts';

/** A run and everything below it as one text. With `--json` it comes with a name for a file, and its media type. */
export const exportRun: Action<[runId: string], CommonFlags & { as: ExportFormat | 'mermaid' }> = async ({
  args: [runId],
  flags,
  terminal,
}) => {
  const output = openOutput(terminal, flags.json);
  const workspace = await openWorkspace({ ...flags, placing: { when: 'never' } }, terminal);
  try {
    await workspace.runtime.attach(runId);
    const row = await workspace.runtime.runs.get(runId);
    const events: StoredEvent[] = [];
    for await (const event of workspace.store.events({ rootId: row?.rootId ?? runId })) events.push(event);
    const { exportAs } = await import('@troupe/inspector');
    const as = flags.as === 'mermaid' ? 'sequence' : flags.as;
    const exported = exportAs(as, runId, events);
    if (!exported) throw new FaultError('run.unknown', `Nothing is stored of a run "${runId}".`, { runId });
    output.give({ runId, as: flags.as, ...exported }, () => exported.text.trimEnd());
    return exitCode.done;
  } finally {
    await workspace.close();
  }
};
