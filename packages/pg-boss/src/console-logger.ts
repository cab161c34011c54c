import type { Logger } from '@troupe/protocol';

/** What is said here holds no secrets: `say` sees to it. */
export const consoleLogger: Logger = {
  warn: (message) => console.warn(message),
  error: (message) => console.error(message),
};
