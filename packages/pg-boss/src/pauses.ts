/** How long a run waits that could not be executed, by how often in a row that was so before; in milliseconds. */

const longestMs = 30_000;

/** Its executor has rejected: 1, 2, 4 … 30 s. */
export const rejectedPauseMs = (attempts: number): number => Math.min(1_000 * 2 ** attempts, longestMs);

/** Its worker is gone: not at all the first three times, for workers go. A run that ends its worker each time comes to wait, too. */
export const lostPauseMs = (attempts: number): number => (attempts < 3 ? 0 : rejectedPauseMs(attempts - 3));
