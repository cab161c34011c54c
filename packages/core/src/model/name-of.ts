import type { ModelProvider } from '@troupe/protocol';

/** The name that attempts show. */
export const nameOf = ({ name }: ModelProvider): string => name ?? 'unnamed';
