import type { JSONValue, Memory, MemoryStore } from '@troupe/protocol';
import type { Later } from '../answers.ts';
import { given, stored } from '../writer/identity.ts';
import { contains, fold, phraseOf } from './memory-text.ts';
import { type Reader, textIn } from './reader.ts';

/** Memories that are fetched at a time: what the database finds is looked at again here, by the letter. */
const pageSize = 200;

/** Looks memories up. */
export const readMemories = ({ schema, read }: Reader): Later<Pick<MemoryStore, 'read' | 'search'>> => {
  const one = `SELECT value::text AS value FROM ${schema}.memories WHERE scope = $1 AND key = $2`;
  const page = `SELECT id, key, value::text AS value FROM ${schema}.memories
    WHERE scope = $1 AND id > $2 AND ($3::text IS NULL OR strpos(folded, $3) > 0) ORDER BY id LIMIT ${pageSize}`;
  return {
    async read(scope, key) {
      const [found] = await read(one, [stored(scope), stored(key)]);
      return found && (JSON.parse(textIn(found, 'value')) as JSONValue);
    },
    async search(scope, text, { limit = 20 } = {}) {
      const wanted = fold(text);
      const found: Memory[] = [];
      let after: unknown = 0;
      while (found.length < limit) {
        const rows = await read(page, [stored(scope), after, phraseOf(wanted)]);
        for (const row of rows) {
          const key = given(textIn(row, 'key'));
          const value = JSON.parse(textIn(row, 'value')) as JSONValue;
          if (found.length < limit && contains(key, value, wanted)) found.push({ scope, key, value });
        }
        if (rows.length < pageSize) break;
        after = rows.at(-1)?.id;
      }
      return found;
    },
  };
};
