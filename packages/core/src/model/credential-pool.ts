import { keepSecret } from '@troupe/protocol';

export type Credential = {
  /** Shown in events and faults. Not a secret. */
  id: string;
  apiKey: string;
  /** Lower goes first among equals; the order of the list decides what is left. Default 0. */
  priority?: number;
};

/** A credential in use. */
export type Lease = {
  id: string;
  apiKey: string;
  /** True when it rests: so do all others. */
  resting?: boolean;
  /**
   * Gives it back; doing so again does nothing.
   *
   * @param restsUntil Until when others are given in its place: its vendor refuses it. In milliseconds, by the clock of `lease`.
   */
  release(restsUntil?: number): void;
};

export type CredentialPool = {
  /**
   * The credential that is leased least, of those that do not rest if there is one. Never blocks; `null` only when the pool is empty.
   *
   * @param at Now, in milliseconds. Without it none rests.
   */
  lease(at?: number): Lease | null;
};

export type CredentialPoolOptions = {
  /** How many leases a credential should carry. A soft share: with all of them at it, the least leased is given anyway. Default 1. */
  perCredential?: number;
};

/**
 * Credentials that runs share. Keys are kept out of events, faults, logs and stores.
 *
 * A pool belongs to the endpoint its keys are for: make one for each.
 */
export const credentialPool = (
  credentials: readonly Credential[],
  { perCredential = 1 }: CredentialPoolOptions = {},
): CredentialPool => {
  // As a header takes it: a key that was read from a file ends with its line.
  const slots = credentials.map(({ id, apiKey, priority = 0 }) => ({
    id,
    apiKey: apiKey.trim(),
    priority,
    leases: 0,
    restsUntil: Number.NEGATIVE_INFINITY,
  }));
  for (const { apiKey } of slots) keepSecret(apiKey);

  return {
    lease(at = Number.POSITIVE_INFINITY) {
      const rested = slots.filter(({ restsUntil }) => restsUntil <= at);
      const awake = rested.length > 0 ? rested : slots;
      const free = awake.filter(({ leases }) => leases < perCredential);
      const [slot] = (free.length > 0 ? free : awake).toSorted(
        (a, b) => a.leases - b.leases || a.priority - b.priority,
      );
      if (!slot) return null;
      slot.leases += 1;
      let held = true;
      return {
        id: slot.id,
        apiKey: slot.apiKey,
        ...(slot.restsUntil > at && { resting: true }),
        release(restsUntil = Number.NEGATIVE_INFINITY) {
          if (held) slot.leases -= 1;
          if (held) slot.restsUntil = Math.max(slot.restsUntil, restsUntil);
          held = false;
        },
      };
    },
  };
};
