import { faultOf } from '@troupe/protocol';

/** What went wrong, as a page is told. */
export type Problem = { code: string; message: string };

export const problemOf = (error: unknown): Problem => {
  const { code, message } = faultOf(error, 'inspector.failed');
  return { code, message };
};
