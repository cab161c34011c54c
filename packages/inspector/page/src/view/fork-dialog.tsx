import { useState } from 'preact/hooks';
import type { Command, ReceiptLine, RunLine } from '../../../src/wire.ts';
import { command, dialog, happenings, lineOf } from '../app.ts';
import { ActButton } from './act-button.tsx';
import { BudgetFields, budgetOf } from './budget-fields.tsx';
import { Modal } from './modal.tsx';
import { useCan } from './use-can.ts';

type Fork = Extract<Command, { type: 'fork' }>;

/** Another way from a moment on. What may be changed depends on the event that the fork begins with. */
export const ForkDialog = ({ run, at }: { run: RunLine; at: string }) => {
  const [turn, setTurn] = useState('');
  const [answer, setAnswer] = useState('');
  const [written, write] = useState<Record<string, string>>({});
  const event = happenings(run.rootId).find(({ id }) => id === at);
  const root = lineOf(run.rootId);
  const budget = budgetOf(written);
  const change: NonNullable<Fork['change']> = {
    ...(turn.trim() !== '' && { turn: { text: turn } }),
    ...(answer.trim() !== '' && { answer: answer.trim() }),
    ...(Object.keys(budget).length > 0 && { budget }),
  };
  const order: Fork = { type: 'fork', runId: run.rootId, at, ...(Object.keys(change).length > 0 && { change }) };
  const can = useCan(order);
  const submit = async () => {
    const receipt: ReceiptLine = await command('Fork', order);
    if (receipt.status !== 'rejected') dialog.value = null;
  };
  return (
    <Modal title={`Fork ${root?.name ?? run.name}`}>
      <form
        onSubmit={(submitted) => {
          submitted.preventDefault();
          void submit();
        }}
      >
        <p>
          Starts a new tree from event <code>{at}</code>
          {event && (
            <>
              {' '}
              (<b>{event.type}</b> of {lineOf(event.rowId)?.name ?? event.rowId})
            </>
          )}
          . What had happened by then is taken over: nothing of it is paid for or done again. The tree that is there
          stays as it is.
        </p>
        {(event?.type === 'turn.started' || event?.type === 'turn.completed') && (
          <label>
            Instead of the model’s answer
            <textarea
              rows={3}
              placeholder="Leave empty to ask the model again"
              value={turn}
              onInput={(input) => setTurn(input.currentTarget.value)}
            />
          </label>
        )}
        {(event?.type === 'question.asked' || event?.type === 'question.answered') && (
          <label>
            Another answer to the question
            <input
              placeholder="Leave empty to be asked again"
              value={answer}
              onInput={(input) => setAnswer(input.currentTarget.value)}
            />
          </label>
        )}
        {root?.kind === 'run' && root.gauges.length > 0 && (
          <details>
            <summary>Another budget for its root</summary>
            <BudgetFields run={root} written={written} onWrite={write} />
          </details>
        )}
        <footer>
          {can?.status === 'rejected' && <small class="trouble">{can.reason}</small>}
          <ActButton can={can} submit class="main" onPress={() => {}}>
            Fork
          </ActButton>
        </footer>
      </form>
    </Modal>
  );
};
