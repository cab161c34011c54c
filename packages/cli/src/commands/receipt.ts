import type { Receipt } from '@troupe/protocol';
import type { Output } from './output.ts';
import { refusal } from './problem.ts';

const until: Record<Extract<Receipt, { status: 'deferred' }>['until'], string> = {
  'question.answered': 'its question is answered',
  'call.settled': 'its calls have ended',
  'turn.completed': 'its turn is over',
  resumed: 'it is resumed',
};

/** Says what came of a command. @throws FaultError `command.refused` when the run did not take it */
export const tellReceipt = (output: Output, runId: string, what: string, receipt: Receipt): void => {
  if (receipt.status === 'rejected') throw refusal(`Run "${runId}" was not ${what}: ${receipt.reason}.`, runId);
  const later = receipt.status === 'deferred' ? `, and hears it when ${until[receipt.until]}` : '';
  output.give({ runId, ...receipt }, () => `Run "${runId}" was ${what}${later}.`);
};
