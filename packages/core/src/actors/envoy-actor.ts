import { type AnyEventObject, fromCallback } from 'xstate';
import type { Order } from '../placement/messages.ts';
import type { LiveRun } from '../run/live-run.ts';

/** Stands among a run's crew for a child that is executed elsewhere: what the child would be sent goes into the store. */
export const envoyActor = (tell: (parent: LiveRun, childId: string, order: Order) => void) =>
  fromCallback<AnyEventObject, { parent: LiveRun; childId: string }>(({ input: { parent, childId }, receive }) => {
    receive((order) => tell(parent, childId, order as Order));
  });
