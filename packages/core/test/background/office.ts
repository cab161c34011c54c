/** A lead that sends work into the background, and whoever does it. */
import {
  type AgentOptions,
  createRuntime,
  defineAgent,
  defineTool,
  dispatched,
  type RuntimeOptions,
  spawned,
  type ToolOptions,
} from '@troupe/core';
import { isLive, type Message, type RunEvent } from '@troupe/protocol';
import { type Script, scriptedProvider, type Turn } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';

const check = defineTool({
  name: 'check',
  description: 'A person must approve.',
  inputSchema: z.object({}),
  confirm: true,
  idempotent: true,
  execute: () => 'checked',
});
export const helper = defineAgent({
  name: 'helper',
  instructions: 'You help.',
  memoryScope: null,
  tools: [check],
});

type Sending = {
  capacity?: number;
  budget?: AgentOptions['budget'];
  allOrNone?: boolean;
  completions?: 'unit' | 'each';
};

/** Sends a helper off with each of its jobs. */
export const sending = (
  { capacity, budget, allOrNone = false, completions }: Sending = {},
  options: Partial<ToolOptions> = {},
) =>
  defineTool({
    name: 'send',
    description: 'Sends helpers off.',
    inputSchema: z.object({ jobs: z.array(z.string()) }),
    execute: ({ jobs }, { view }) =>
      view.unit
        ? spawned(
            jobs.map((job) => ({ agent: helper, job })),
            { allOrNone },
          )
        : dispatched({
            data: { jobs },
            answer: ({ runId }) => ({ content: `Sent as ${runId}.` }),
            ...(budget && { budget }),
            ...(completions && { completions }),
            ...(capacity !== undefined && {
              capacity: { key: 'send', max: capacity, message: `Capacity reached: ${capacity} at work.` },
            }),
          }),
    settle: (reports) => ({
      data: reports.map(({ status, text, fault }) => ({ status, text: text ?? fault?.message ?? null })),
    }),
    ...(options as object),
  });

/** Takes as long as it is told. */
const working = (clock: SimulatedClock) =>
  defineTool({
    name: 'work',
    description: 'Works.',
    inputSchema: z.object({ ms: z.number() }),
    idempotent: true,
    execute: ({ ms }) => new Promise<string>((resolve) => clock.setTimeout(() => resolve('worked'), ms)),
  });

/** The last thing that somebody said, or a tool gave. */
const lastOf = (messages: readonly Message[]): string => String(messages.at(-1)?.content ?? '');
const saidIn = (messages: readonly Message[]): string[] =>
  messages.map(
    ({ role, content, calls }) => `${role}: ${calls ? calls.map(({ name }) => name).join() : String(content)}`,
  );

const call = (name: string, args: object = {}): Turn => ({ calls: [{ name, arguments: args }] });
const step = (name: string, rest: string): Turn => {
  if (name === 'send') return call('send', { jobs: rest.split(',') });
  if (name === 'both') return { calls: rest.split(',').map((job) => ({ name: 'send', arguments: { jobs: [job] } })) };
  if (name === 'work') return call('work', { ms: Number(rest) });
  if (name === 'ask') return call('check');
  if (name === 'fail') return { fault: { code: 'model.down', message: 'The model is down.' } };
  return name === 'think' ? { text: 'thought', delayMs: Number(rest) } : rest;
};

/**
 * The lead follows the plan that it is given, `do: send a,b; think 500; …`, one step a turn, and says `noted: …` to whatever else it
 * hears. Helpers take 1,000 ms for a job, or do as it says: `quick`, `fail`, `hang`, `ask`.
 */
export const officeScript: Script = ({ messages }, { agent }): Turn => {
  const last = lastOf(messages);
  if (agent !== 'helper') {
    const at = messages.findLastIndex(({ role, content }) => role === 'user' && String(content).startsWith('do: '));
    const plan = at < 0 ? [] : String(messages[at]?.content).slice(4).split('; ');
    const done = messages.slice(at).filter(({ role }) => role === 'assistant').length;
    const [name = '', ...rest] = plan[done]?.split(' ') ?? [];
    return name ? step(name, rest.join(' ')) : `noted: ${last.replaceAll(/\s+/g, ' ')}`;
  }
  if (last.startsWith('fail')) return { fault: { code: 'model.down', message: 'The model is down.' } };
  if (last.startsWith('hang')) return { hang: true };
  if (last.startsWith('ask')) return call('check');
  return { text: `did ${last}`, delayMs: last.startsWith('quick') || last === 'checked' ? 1 : 1_000 };
};

type Office = Partial<RuntimeOptions> & {
  open?: boolean;
  clock?: SimulatedClock;
  sending?: Sending;
  tool?: Partial<ToolOptions>;
  agent?: Partial<AgentOptions>;
  /** Whether the runtime knows the lead before it is started. Default: it does. */
  known?: boolean;
  /** One life of several at one store: what it tells is not the whole story. */
  life?: boolean;
};

export const openOffice = ({ sending: how, tool, agent, known = true, life = false, ...options }: Office = {}) => {
  const clock = options.clock ?? new SimulatedClock();
  const provider = scriptedProvider(officeScript);
  const lead = defineAgent({
    name: 'lead',
    instructions: 'You lead.',
    memoryScope: null,
    tools: [sending(how, tool), working(clock), check],
    ...agent,
  });
  const all = { clock, provider, ...(known && { agents: [lead, helper] }), ...options };
  const opened = life ? openLife(all) : openRuntime(all);
  const { runtime, events } = opened;
  /** Lets time pass, and what comes of it happen. */
  const pass = async (ms = 0): Promise<void> => {
    await settle();
    if (ms > 0) clock.increment(ms);
    await settle();
  };
  /** What the model of the lead was told last. */
  const heard = (): string[] => {
    const requests = provider.requests.filter(({ context }) => context.agent !== 'helper');
    return saidIn(requests.at(-1)?.request.messages ?? []);
  };
  /** Units, oldest first. */
  const units = async (): Promise<string[]> =>
    (await runtime.runs.list({ limit: 1_000 })).flatMap(({ runId, origin }) => (origin ? runId : [])).reverse();
  return { ...opened, clock, provider, lead, pass, heard, units, deliveries: () => deliveriesIn(events) };
};

const silent = { warn: () => {}, error: () => {} };
const openLife = (options: Omit<RuntimeOptions, 'model'>) => {
  const runtime = createRuntime({ model: 'test-model', logger: silent, leaseMs: 0, ...options });
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => {
    events.push(event);
  });
  const types = (runId?: string) => events.flatMap((event) => (event.runId === runId ? event.type : []));
  return { runtime, events, types };
};

/** Each unit, and the runs that heard what came of it, as often as they did. */
export const deliveriesIn = (events: readonly RunEvent[]): { [unitId: string]: string[] } => {
  const found: { [unitId: string]: string[] } = {};
  const hears = (unitId: string, runId: string): void => {
    found[unitId] = [...(found[unitId] ?? []), runId];
  };
  for (const event of events) {
    if (isLive(event)) continue;
    if (event.type === 'turn.started') for (const unitId of event.delivered ?? []) hears(unitId, event.runId);
    if (event.seq !== 1 || !('job' in event)) continue;
    const told = (event.job.metadata as { delivered?: string[] } | undefined)?.delivered;
    for (const unitId of told ?? []) hears(unitId, event.runId);
  }
  return found;
};
