import type { Mail, Receipt, RunStore } from '@troupe/protocol';
import type { AtOnce } from '../answers.ts';
import type { Reader } from './statements.ts';

const unanswered = `
  SELECT mail_id AS id, mail.run_id AS runId, at, message FROM mail JOIN claims ON claims.run_id = mail.run_id
  WHERE receipt IS NULL AND session IS NULL AND claims.owner = ? ORDER BY mail.id`;

const toSessions = 'SELECT mail_id AS id, run_id AS runId, session AS sessionKey, at, message FROM mail';
const toSession = `${toSessions} WHERE receipt IS NULL AND session = ? ORDER BY mail.id`;
// Without being told, SQLite would look through all mail to find it in order.
const toEverySession = `${toSessions} INDEXED BY mail_to_sessions
  WHERE receipt IS NULL AND session IS NOT NULL ORDER BY mail.id`;

type Found = Omit<Mail, 'message'> & { message: string };

const mailIn = (found: readonly unknown[]): Mail[] =>
  (found as readonly Found[]).map(({ message, ...mail }) => ({
    ...mail,
    message: JSON.parse(message) as Mail['message'],
  }));

/** Looks messages up. Answers at once. */
export const readMail = (reader: Reader): AtOnce<Pick<RunStore, 'inbox' | 'sessionInbox' | 'receipt'>> => ({
  inbox: (owner) => reader.read(unanswered, (statement) => mailIn(statement.all(owner))),
  sessionInbox: (sessionKey) =>
    sessionKey === undefined
      ? reader.read(toEverySession, (statement) => mailIn(statement.all()))
      : reader.read(toSession, (statement) => mailIn(statement.all(sessionKey))),
  receipt: (mailId) =>
    reader.read('SELECT receipt FROM mail WHERE mail_id = ? AND receipt IS NOT NULL', (statement) => {
      const found = statement.get(mailId) as { receipt: string } | undefined;
      return found && (JSON.parse(found.receipt) as Receipt);
    }),
});
