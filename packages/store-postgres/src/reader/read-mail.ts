import type { Mail, Receipt, RunStore } from '@troupe/protocol';
import type { Later } from '../answers.ts';
import type { Row } from '../server/database.ts';
import { given, stored } from '../writer/identity.ts';
import { type Reader, textIn } from './reader.ts';

const mailOf = (row: Row): Mail => ({
  id: given(textIn(row, 'mail_id')),
  runId: given(textIn(row, 'run_id')),
  ...(row.session !== null && { sessionKey: given(textIn(row, 'session')) }),
  at: Number(row.at),
  message: JSON.parse(textIn(row, 'message')) as Mail['message'],
});

/** Looks messages up. */
export const readMail = ({ schema, read }: Reader): Later<Pick<RunStore, 'inbox' | 'sessionInbox' | 'receipt'>> => {
  const columns = 'SELECT mail_id, mail.run_id, session, at, message::text AS message';
  const unanswered = `${columns} FROM ${schema}.claims JOIN ${schema}.mail ON mail.run_id = claims.run_id
    WHERE claims.owner = $1 AND receipt IS NULL AND session IS NULL ORDER BY mail.id`;
  const toSessions = `${columns} FROM ${schema}.mail
    WHERE receipt IS NULL AND session IS NOT NULL AND ($1::text IS NULL OR session = $1) ORDER BY id`;
  const receipt = `SELECT receipt::text AS receipt FROM ${schema}.mail WHERE mail_id = $1 AND receipt IS NOT NULL`;
  return {
    inbox: async (owner) => (await read(unanswered, [stored(owner)])).map(mailOf),
    sessionInbox: async (sessionKey) =>
      (await read(toSessions, [sessionKey === undefined ? null : stored(sessionKey)])).map(mailOf),
    async receipt(mailId) {
      const [found] = await read(receipt, [stored(mailId)]);
      return found && (JSON.parse(textIn(found, 'receipt')) as Receipt);
    },
  };
};
