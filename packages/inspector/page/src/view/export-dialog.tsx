import { useState } from 'preact/hooks';
import type { ExportFormat, RunLine } from '../../../src/wire.ts';
import { dialog, take } from '../app.ts';
import { Modal } from './modal.tsx';

const FORMATS: [as: ExportFormat, name: string, what: string][] = [
  ['html', 'One HTML file', 'tree, conversations and timeline, to read anywhere: it loads nothing'],
  ['markdown', 'Markdown', 'a report: what was asked, said, called and answered'],
  ['jsonl', 'JSON lines', 'every event, as it is stored'],
  ['sequence', 'Mermaid, the sequence', 'who asked whom for what, and what came back'],
  ['chart', 'Mermaid, the chart', 'the machine of the run'],
];

/** A run with all below it, as a file. */
export const ExportDialog = ({ run }: { run: RunLine }) => {
  const [busy, setBusy] = useState<ExportFormat>();
  const choose = async (as: ExportFormat) => {
    setBusy(as);
    const isTaken = await take(run.id, as);
    setBusy(undefined);
    if (isTaken) dialog.value = null;
  };
  return (
    <Modal title={`Export ${run.name}`}>
      <p>The run, and every run below it.</p>
      <ul class="choices">
        {FORMATS.map(([as, name, what]) => (
          <li key={as}>
            <button type="button" disabled={busy !== undefined} onClick={() => void choose(as)}>
              <b>{name}</b> <small>{what}</small>
            </button>
          </li>
        ))}
      </ul>
    </Modal>
  );
};
