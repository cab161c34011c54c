/** For `store.list`, where none is to be left out. */
export const everyRow = { limit: Number.MAX_SAFE_INTEGER };
