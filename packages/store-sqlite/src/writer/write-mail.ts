/** Messages to runs and to sessions: left, answered once, taken back. */
import type { DatabaseSync } from 'node:sqlite';
import type { MailText, Tasks } from './messages.ts';

export type MailWriter = {
  post(mail: MailText): null;
  /** Writes what came of a message, unless that is known. */
  answer(mailId: string, receipt: string): void;
  withdraw(task: Tasks['withdraw']['ask']): string;
};

export const openMailWriter = (db: DatabaseSync): MailWriter => {
  const add = db.prepare('INSERT OR IGNORE INTO mail (mail_id, run_id, session, at, message) VALUES (?, ?, ?, ?, ?)');
  const setReceipt = db.prepare('UPDATE mail SET receipt = ? WHERE mail_id = ? AND receipt IS NULL');
  const find = db.prepare('SELECT receipt FROM mail WHERE mail_id = ?');
  const answer = (mailId: string, receipt: string): void => {
    setReceipt.run(receipt, mailId);
  };
  return {
    post({ id, runId, session, at, message }) {
      add.run(id, runId, session, at, message);
      return null;
    },
    answer,
    withdraw({ id, receipt }) {
      answer(id, receipt);
      return String(find.get(id)?.receipt ?? receipt);
    },
  };
};
