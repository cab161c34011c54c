import type { Mail, Receipt, RunStore } from '@troupe/protocol';
import type { AtOnce } from '../answers.ts';
import type { Reader } from './statements.ts';

const unanswered = `
  SELECT mail_id AS id, mail.run_id AS runId, at, message FROM mail JOIN claims ON claims.run_id = mail.run_id
  WHERE receipt IS NULL AND claims.owner = ? ORDER BY mail.id`;

/** Looks messages up. Answers at once. */
export const readMail = (reader: Reader): AtOnce<Pick<RunStore, 'inbox' | 'receipt'>> => ({
  inbox: (owner) =>
    reader.read(unanswered, (statement) =>
      (statement.all(owner) as (Omit<Mail, 'message'> & { message: string })[]).map(({ message, ...mail }) => ({
        ...mail,
        message: JSON.parse(message) as Mail['message'],
      })),
    ),
  receipt: (mailId) =>
    reader.read('SELECT receipt FROM mail WHERE mail_id = ? AND receipt IS NOT NULL', (statement) => {
      const found = statement.get(mailId) as { receipt: string } | undefined;
      return found && (JSON.parse(found.receipt) as Receipt);
    }),
});
