/** Commands to runs that another process executes. */
import {
  type Clock,
  type DispatchRequest,
  type IdSource,
  isEnded,
  type Receipt,
  type RunStore,
  redact,
} from '@troupe/protocol';
import { createActor, fromPromise, toPromise } from 'xstate';
import type { RunCommand } from '../agent/context.ts';
import { parcelMachine } from './parcel-machine.ts';

export type Postman = {
  /** Sends a command, and waits for what comes of it. It arrives without secrets. @param head Whom others are to execute for it. */
  send(runId: string, command: RunCommand, head?: DispatchRequest): Promise<Receipt>;
  /** Something was stored here: whoever waits looks again. */
  changed(): void;
  /** Whoever waits is told that nobody does here any more. */
  close(): void;
};

/**
 * @param takeUp Brings a run to life here, unless somebody executes it.
 * @param dispatch Hands a run to whoever executes it.
 */
export const openPostman = (
  { store, clock, ids, leaseMs }: { store: RunStore; clock: Clock; ids: IdSource; leaseMs: number },
  takeUp: (runId: string) => Promise<void>,
  dispatch: (head: DispatchRequest) => void = () => {},
): Postman => {
  const underway = new Set<(type: 'changed' | 'close') => void>();

  const look = async (mailId: string, runId: string): Promise<Receipt | null> => {
    const row = await store.get(runId);
    const receipt = await store.receipt(mailId);
    if (receipt) return receipt;
    if (row && !isEnded(row.status)) return null;
    // Nobody answers it any more: it is taken out of the inbox.
    return store.withdraw(mailId, {
      status: 'rejected',
      reason: row ? `the run has ended: ${row.status}` : 'the run was forgotten',
    });
  };

  return {
    async send(runId, command, head) {
      const id = ids.next('mail');
      const mail = { id, runId, at: clock.now(), message: redact(command) };
      const parcel = createActor(
        parcelMachine.provide({
          actors: {
            post: fromPromise(async () => {
              await store.post(mail);
              // Only now: whoever is handed it looks what there is to do.
              if (head) dispatch(head);
            }),
            look: fromPromise(() => look(id, runId)),
            takeUp: fromPromise(() => takeUp(runId)),
            withdraw: fromPromise(async ({ input }) => input && store.withdraw(id, input)),
          },
        }),
        { input: { waitMs: Math.max(leaseMs / 3, 1_000) }, clock },
      );
      const tell = (type: 'changed' | 'close'): void => {
        if (parcel.getSnapshot().status === 'active') parcel.send({ type });
      };
      underway.add(tell);
      const leave = store.changes?.(() => tell('changed'));
      try {
        return await toPromise(parcel.start());
      } finally {
        leave?.();
        underway.delete(tell);
      }
    },
    changed() {
      for (const tell of underway) tell('changed');
    },
    close() {
      for (const tell of underway) tell('close');
    },
  };
};
