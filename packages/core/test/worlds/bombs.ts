/** Charts that break: named guards and actions throw the n-th time they are used. */
import { type AnyStateMachine, enqueueActions } from 'xstate';

let armed: Readonly<Record<string, number>> = {};
let uses: Record<string, number> = {};

/** Puts bombs into every mined machine from now on. */
export const arm = (bombs: Readonly<Record<string, number>>): void => {
  armed = bombs;
  uses = {};
};

const use = (name: string): void => {
  const wanted = armed[name];
  if (wanted === undefined) return;
  uses[name] = (uses[name] ?? 0) + 1;
  if (uses[name] !== wanted) return;
  throw new Error(`${name} throws`);
};

type Named = Record<string, any>;

/** The same machine; while nothing is armed it is no different. */
export const mined = <M extends AnyStateMachine>(machine: M): M => {
  const { guards, actions } = machine.implementations as { guards: Named; actions: Named };
  const each = (named: Named, wrap: (name: string) => unknown): Named =>
    Object.fromEntries(Object.keys(named).map((name) => [name, wrap(name)]));
  return machine.provide({
    guards: each(guards, (name) => (...args: unknown[]) => {
      use(name);
      return guards[name](...args);
    }),
    actions: {
      ...each(actions, (name) =>
        enqueueActions(({ enqueue }) => {
          use(name);
          enqueue({ type: `safe ${name}` });
        }),
      ),
      ...Object.fromEntries(Object.entries(actions).map(([name, action]) => [`safe ${name}`, action])),
    },
  } as never) as M;
};

export const minable = (machine: AnyStateMachine): string[] => [
  ...Object.keys(machine.implementations.guards),
  ...Object.keys(machine.implementations.actions),
];
