import type { Message } from '@troupe/protocol';
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { initialTransition, type SnapshotFrom, transition } from 'xstate';
import { agentMachine } from '../../src/agent/agent-machine.ts';
import type { CallState, RunContext, RunInput } from '../../src/agent/context.ts';
import { addPool, emptyPool, poolKinds } from '../../src/agent/limits.ts';
import { anyInput, eventIn, type Happening, happening } from './any-event.ts';

const numRuns = Number(process.env.RUNS ?? 500);
const histories = [anyInput, fc.array(happening, { maxLength: 40 })] as const;
type State = SnapshotFrom<typeof agentMachine>;

/** Every state of a run to which these things happen, and one more. */
const statesOf = (input: RunInput, happenings: readonly Happening[]): State[] => {
  const states = [initialTransition(agentMachine, input)[0]];
  for (const one of happenings) {
    const last = states.at(-1) as State;
    states.push(transition(agentMachine, last, eventIn(last.value, last.context.run, one))[0]);
    if (last.status !== 'active') break;
  }
  return states;
};
const holds = (check: (states: State[], input: RunInput) => void) =>
  fc.assert(
    fc.property(...histories, (input, happenings) => check(statesOf(input, happenings), input)),
    { numRuns },
  );

const isStuck = (call: CallState): boolean =>
  call.phase !== 'settled' &&
  (call.phase === 'asking' || call.phase === 'ready' || (call.live > 0 && call.asking === call.live));

/** Each call of the conversation is followed by its answers, in call order; those of the last turn may be still to come. */
const answersIn = (messages: readonly Message[]): void => {
  const due: string[] = [];
  for (const { role, calls, callId } of messages) {
    if (role === 'tool') expect(callId).toBe(due.shift());
    else {
      if (role === 'assistant') expect(due).toEqual([]);
      due.push(...(calls ?? []).map(({ id }) => id));
    }
  }
};

beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

describe('whatever a run hears, in whatever order, it', { timeout: 60_000 }, () => {
  test('never breaks, and keeps its first ending [L1]', () => {
    holds((states) => {
      for (const state of states) {
        expect(state.status).not.toBe('error');
      }
      const ends = states.filter(({ status }) => status === 'done');
      for (const { output } of ends) expect(output).toEqual(ends[0]?.output);
      if (ends[0]) expect(ends[0].output).toMatchObject({ status: ends[0].value });
    });
  });

  test('says what it began with once, and first [L1]', () => {
    holds((states, { slot }) => {
      const types = (states.at(-1) as State).context.run.outbox.events.map(({ type }) => type);
      expect(types.filter((type) => type === 'run.started').length).toBeLessThanOrEqual(1);
      expect(types.filter((type) => type === 'run.queued').length).toBe(slot === 'wanted' ? 1 : 0);
      const begins = types.findIndex((type) => /^(turn|call|child)\./.test(type));
      if (begins >= 0) expect(types.slice(0, begins)).toContain('run.started');
    });
  });

  test('answers each call once, in call order, and ends with none open [L3]', () => {
    holds((states) => {
      for (const {
        context: { run: context },
        status,
      } of states) {
        answersIn(context.outbox.messages);
        const called = context.outbox.messages.flatMap(({ calls = [] }) => calls).length;
        const answered = context.outbox.messages.filter(({ role }) => role === 'tool').length;
        const open = context.calls.flat().slice(context.told).length;
        expect(called - answered).toBe(open);
        if (status === 'done') expect(open).toBe(0);
      }
    });
  });

  test('counts right what it counts along', () => {
    holds((states) => {
      for (const {
        context: { run: context },
      } of states)
        expect(countsOf(context)).toEqual(recount(context));
    });
  });

  test('conserves what is pooled, and promises only what it has [L4]', () => {
    holds((states) => {
      states.forEach(({ context: { run: context } }, at) => {
        const { limits } = context.allowance;
        const live = context.calls
          .flat()
          .flatMap(({ children }) => children.flat())
          .filter(({ status }) => status !== 'ended');
        expect(context.reserved).toEqual(live.map(({ reserved }) => reserved).reduce(addPool, emptyPool));
        const before = states[at - 1]?.context.run;
        if (!before || before.children === context.children) return;
        for (const kind of poolKinds)
          if (limits[kind] !== undefined)
            expect(context.spent[kind] + context.reserved[kind]).toBeLessThanOrEqual(limits[kind]);
        expect(context.children).toBeLessThanOrEqual(limits.children ?? Number.POSITIVE_INFINITY);
      });
    });
  });

  test('lets no more children work at a time than it may', () => {
    holds((states) => {
      for (const {
        context: { run: context },
      } of states) {
        const { concurrency } = context.allowance.limits;
        expect(context.working).toBeLessThanOrEqual(concurrency ?? 0);
        if (concurrency !== undefined && context.queue.length > 0) expect(context.working).toBe(concurrency);
      }
    });
  });

  test('takes no turn beyond its limit, and executes no call beyond it [F-09]', () => {
    holds((states, { allowance: { limits } }) => {
      for (const {
        context: { run: context },
      } of states) {
        expect(context.turns).toBeLessThanOrEqual(limits.turns ?? Number.POSITIVE_INFINITY);
        expect(context.toolCalls).toBeLessThanOrEqual(limits.toolCalls ?? Number.POSITIVE_INFINITY);
      }
    });
  });

  test('asks nobody where its policy says so, and decides at most once for a call [HM-070]', () => {
    holds((states, { approval }) => {
      if (!approval) return;
      const { events } = (states.at(-1) as State).context.run.outbox;
      expect(events.filter(({ type }) => type === 'question.asked')).toEqual([]);
      events.forEach((event, at) => {
        if (event.type === 'policy.applied')
          expect(events[at - 1]).toMatchObject({ type: 'call.started', tool: event.subject });
      });
    });
  });

  test('executes no more calls of a tool in one turn than the tool allows [HM-162]', () => {
    holds((states) => {
      for (const {
        context: { run: context },
      } of states)
        expect(
          context.calls.flat().filter(({ tool, phase }) => tool === 'few' && phase !== 'settled').length,
        ).toBeLessThan(2);
    });
  });

  test('keeps what does not fit only where that is said, warns of it once, and gives no data [HM-170]', () => {
    holds((states, { outputMismatch }) => {
      const { run: context } = (states.at(-1) as State).context;
      const { events } = context.outbox;
      const misfits = events.filter((event) => event.type === 'warning.raised' && event.code === 'output.invalid');
      expect(misfits.length).toBeLessThanOrEqual(outputMismatch === 'keep' ? 1 : 0);
      if (misfits.length > 0) expect(context.data).toBeUndefined();
    });
  });

  test('is JSON, and goes on from it as if nothing had happened', () => {
    fc.assert(
      fc.property(...histories, happening, (input, happenings, next) => {
        const state = statesOf(input, happenings).at(-1) as State;
        const context = JSON.parse(JSON.stringify(state.context)) as State['context'];
        expect(context).toEqual(state.context);
        if (state.status !== 'active') return;
        const again = Object.assign(agentMachine.resolveState({ value: state.value, context }), {
          children: state.children,
        });
        const [here, there] = [state, again].map(
          (from) => transition(agentMachine, from as State, eventIn(state.value, context.run, next))[0],
        );
        expect(there?.value).toEqual(here?.value);
        expect(there?.context).toEqual(here?.context);
      }),
      { numRuns },
    );
  });
});

const countsOf = ({ open, stuck, live, shares, working, queue }: RunContext) => ({
  open,
  stuck,
  live,
  shares,
  working,
  queue: queue.flat().toSorted(),
});
const recount = (context: RunContext): ReturnType<typeof countsOf> => {
  const calls = context.calls.flat();
  const children = calls.flatMap((call) => call.children.flat());
  return {
    open: calls.filter(({ phase }) => phase !== 'settled').length,
    stuck: calls.filter(isStuck).length,
    live: children.filter(({ status }) => status !== 'ended').length,
    shares: calls.reduce((sum, call) => sum + call.shares, 0),
    working: children.filter(({ slot }) => slot === 'held').length,
    queue: children
      .filter(({ slot }) => slot === 'queued')
      .map(({ runId }) => runId)
      .toSorted(),
  };
};
