/** What a command would come to, without giving it: by the machine of a run that is alive here, else by what is stored of it. */
import { faultOf, isEnded, type Receipt, type RunRow, type RunStore } from '@troupe/protocol';
import { agentMachine } from '../agent/agent-machine.ts';
import type { RunCommand, RunContext } from '../agent/context.ts';
import { standingOf } from '../replay/standing.ts';
import { contextIn } from '../run/checkpoint.ts';
import { afterEnd, receiptAt, repeated, type Standing } from '../run/receipt.ts';

/** What a stored run knew after its last step; `undefined` when it has ended or is not there. */
export const storedContext = async (store: RunStore, runId: string): Promise<RunContext | undefined> => {
  const checkpoint = await standingOf(store, runId);
  return checkpoint && contextIn(checkpoint);
};

/** By what is stored of a run. @param mayGoOn Throws where nobody could carry the command out. */
export const foreseeStored = async (
  store: RunStore,
  runId: string,
  command: RunCommand,
  mayGoOn: (row: RunRow) => Promise<void>,
): Promise<Receipt> => {
  const row = await store.get(runId);
  if (!row) return { status: 'rejected', reason: `there is no run "${runId}"` };
  if (command.type === 'answer')
    for await (const event of store.events({ runId }))
      if (event.type === 'question.answered' && event.questionId === command.questionId)
        return repeated(event.answer, command.answer);
  if (isEnded(row.status)) return afterEnd(row.status);
  const checkpoint = await standingOf(store, runId);
  if (!checkpoint) return { status: 'rejected', reason: `the checkpoint of run "${runId}" is not in the store` };
  const at = agentMachine.resolveState({
    value: checkpoint.value as never,
    context: { run: contextIn(checkpoint) },
  }) as unknown as Standing;
  const receipt = receiptAt(at, command);
  if (receipt.status === 'rejected') return receipt;
  return mayGoOn(row).then(
    () => receipt,
    (error: unknown) => ({ status: 'rejected', reason: faultOf(error, 'store.unavailable').message }),
  );
};
