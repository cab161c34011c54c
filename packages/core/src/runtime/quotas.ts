import { createActor, fromTransition } from 'xstate';
import type { Quotas } from './world.ts';

type QuotaState = { completed: number; holders: readonly string[] };
type QuotaEvent =
  | { type: 'take'; max: number; holder: string }
  | { type: 'restore'; completed: number; holders: readonly string[] }
  | { type: 'settle'; holder: string; completed: boolean };

/** One count: `completed + in flight` never exceeds what is asked for, and one event decides at a time. */
const quota = fromTransition<QuotaState, QuotaEvent, never, undefined>(
  (state, event) => {
    if (event.type === 'take') {
      const full = state.completed + state.holders.length >= event.max;
      return full || state.holders.includes(event.holder)
        ? state
        : { ...state, holders: [...state.holders, event.holder] };
    }
    if (event.type === 'restore')
      return {
        completed: Math.max(state.completed, event.completed),
        holders: [...new Set([...state.holders, ...event.holders])],
      };
    if (!state.holders.includes(event.holder)) return state;
    return {
      completed: state.completed + Number(event.completed),
      holders: state.holders.filter((holder) => holder !== event.holder),
    };
  },
  { completed: 0, holders: [] },
);

/** A key under which every place comes back: it counts what is at work, not what has completed. */
const isCapacity = (key: string): boolean => key.startsWith('capacity:');

/** One actor for each key, for the life of the runtime. */
export const openQuotas = (): Quotas => {
  const actors = new Map<string, ReturnType<typeof createActor<typeof quota>>>();
  const actorOf = (key: string) => {
    const known = actors.get(key);
    if (known) return known;
    const made = createActor(quota).start();
    actors.set(key, made);
    return made;
  };
  return {
    take(key, max, holder) {
      const actor = actorOf(key);
      actor.send({ type: 'take', max, holder });
      return actor.getSnapshot().context.holders.includes(holder);
    },
    restore(key, completed, holders) {
      actorOf(key).send({ type: 'restore', completed: isCapacity(key) ? 0 : completed, holders });
    },
    settle(key, holder, completed) {
      actorOf(key).send({ type: 'settle', holder, completed: completed && !isCapacity(key) });
    },
  };
};
