import type { JSONValue, Memory, MemoryStore } from '@troupe/protocol';
import type { AtOnce } from '../answers.ts';
import { contains, fold, phraseOf } from './memory-text.ts';
import type { Reader } from './statements.ts';

const all = 'SELECT key, value FROM memories WHERE scope = ? ORDER BY id';
const narrowed = `
  SELECT memories.key, memories.value FROM memories_text JOIN memories ON memories.id = memories_text.rowid
  WHERE memories_text MATCH ? AND memories.scope = ? ORDER BY memories_text.rowid`;

/** Looks memories up. Answers at once. */
export const readMemories = (reader: Reader): AtOnce<Pick<MemoryStore, 'read' | 'search'>> => ({
  read: (scope, key) =>
    reader.read('SELECT value FROM memories WHERE scope = ? AND key = ?', (statement) => {
      const found = statement.get(scope, key) as { value: string } | undefined;
      return found && (JSON.parse(found.value) as JSONValue);
    }),

  search(scope, text, { limit = 20 } = {}) {
    const wanted = fold(text);
    const phrase = phraseOf(wanted);
    return reader.read(phrase === null ? all : narrowed, (statement) => {
      const found: Memory[] = [];
      if (limit <= 0) return found;
      for (const row of phrase === null ? statement.iterate(scope) : statement.iterate(phrase, scope)) {
        const key = String(row.key);
        const value = JSON.parse(String(row.value)) as JSONValue;
        if (contains(key, value, wanted)) found.push({ scope, key, value });
        if (found.length >= limit) break;
      }
      return found;
    });
  },
});
