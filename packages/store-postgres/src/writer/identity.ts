/** Ids as they are stored: as inside a JSON string, so that PostgreSQL, which knows neither zero bytes nor halves of characters, keeps any. */

export const stored = (id: string): string => JSON.stringify(id).slice(1, -1);

export const given = (text: string): string => (text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text);
