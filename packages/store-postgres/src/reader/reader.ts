import { isFaultError } from '@troupe/protocol';
import { closed, type Database, type Row } from '../server/database.ts';
import { troubleOf } from '../server/trouble.ts';

export type Reader = {
  /** Of the tables: their schema, as SQL writes it. */
  readonly schema: string;
  /** @throws FaultError `store.closed`, `store.unavailable` */
  read(text: string, values?: readonly unknown[]): Promise<Row[]>;
};

/** @param isClosed True when nothing may be read any more. */
export const openReader = ({ ask, name, place }: Database, isClosed: () => boolean): Reader => ({
  schema: place.quoted,
  async read(text, values = []) {
    if (isClosed()) throw closed(name);
    try {
      return await ask(text, values);
    } catch (error) {
      if (isClosed()) throw closed(name);
      throw isFaultError(error) ? error : troubleOf(error, name, 'read');
    }
  },
});

export const textIn = (row: Row, column: string): string => String(row[column]);
