import { useState } from 'preact/hooks';
import type { Command, ReceiptLine, RunLine } from '../../../src/wire.ts';
import { command, dialog, selectedRun } from '../app.ts';
import { ActButton } from './act-button.tsx';
import { BudgetFields, budgetOf } from './budget-fields.tsx';
import { ExportDialog } from './export-dialog.tsx';
import { ForkDialog } from './fork-dialog.tsx';
import { Help } from './help.tsx';
import { Modal } from './modal.tsx';
import { useCan } from './use-can.ts';

/** Whatever stands over the page. */
export const Dialogs = () => {
  const open = dialog.value;
  const run = selectedRun();
  if (open?.type === 'help') return <Help />;
  if (!open || !run) return null;
  if (open.type === 'steer') return <Steer run={run} />;
  if (open.type === 'interrupt') return <Interrupt run={run} />;
  if (open.type === 'raise') return <Raise run={run} />;
  if (open.type === 'export') return <ExportDialog run={run} />;
  if (open.type === 'fork') return <ForkDialog run={run} at={open.at} />;
  return null;
};

const done = async (receipt: Promise<ReceiptLine>) => {
  if ((await receipt).status !== 'rejected') dialog.value = null;
};

const Steer = ({ run }: { run: RunLine }) => {
  const [text, setText] = useState('');
  const order: Command = { type: 'steer', runId: run.id, text };
  const asked = useCan(order);
  const can: ReceiptLine | undefined =
    text.trim() === '' ? { status: 'rejected', reason: 'write what the run should hear' } : asked;
  return (
    <Modal title={`Steer ${run.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void done(command('Steer', order));
        }}
      >
        <label>
          What it hears before its next turn
          <textarea rows={4} value={text} autofocus onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <footer>
          <ActButton can={can} submit class="main" onPress={() => {}}>
            Steer
          </ActButton>
        </footer>
      </form>
    </Modal>
  );
};

const Interrupt = ({ run }: { run: RunLine }) => {
  const [reason, setReason] = useState('');
  const order: Command = { type: 'interrupt', runId: run.id, ...(reason.trim() !== '' && { reason: reason.trim() }) };
  const can = useCan(order);
  return (
    <Modal title={`Interrupt ${run.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void done(command('Interrupt', order));
        }}
      >
        <p>It ends, and every run below it. Tools and models that work for them are told to stop at once.</p>
        <label>
          Reason, for the record
          <input value={reason} autofocus onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <footer>
          <ActButton can={can} submit class="danger main" onPress={() => {}}>
            Interrupt
          </ActButton>
        </footer>
      </form>
    </Modal>
  );
};

const Raise = ({ run }: { run: RunLine }) => {
  const [written, write] = useState<Record<string, string>>({});
  const budget = budgetOf(written);
  const order: Command = { type: 'raise', runId: run.id, budget };
  const asked = useCan(order);
  const can: ReceiptLine | undefined =
    Object.keys(budget).length === 0 ? { status: 'rejected', reason: 'write a new limit' } : asked;
  return (
    <Modal title={`Raise the budget of ${run.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void done(command('Raise budget', order));
        }}
      >
        {run.gauges.length === 0 && <p>Nothing limits this run.</p>}
        <BudgetFields run={run} written={written} onWrite={write} />
        <footer>
          {can?.status === 'rejected' && Object.keys(budget).length > 0 && <small class="trouble">{can.reason}</small>}
          <ActButton can={can} submit class="main" onPress={() => {}}>
            Raise
          </ActButton>
        </footer>
      </form>
    </Modal>
  );
};
