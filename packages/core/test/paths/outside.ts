/** Models, tools and memory that answer when a test says so: each thing they are asked stays open until then. */
import { FaultError, type ModelPart, type ModelProvider } from '@troupe/protocol';
import { z } from 'zod';
import { type AnyAgent, defineAgent } from '../../src/define-agent.ts';
import { defineTool, spawned, type Tool, type ToolContext } from '../../src/define-tool.ts';

/** Something that was asked and is not answered. */
export type Open = {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  signal?: AbortSignal;
  context?: ToolContext;
};

/** A model call that is fed part by part. */
export type Feed = {
  runId: string;
  isSummary: boolean;
  signal: AbortSignal;
  over: boolean;
  push(part: ModelPart): void;
  end(error?: Error): void;
};

const numbered = z.looseObject({ n: z.number() });

export const helper: AnyAgent = defineAgent({ name: 'helper', instructions: 'Help.' });

export const openOutside = () => {
  const feeds: Feed[] = [];
  const open = new Map<string, Open>();

  const ask = (key: string, about: Pick<Open, 'signal' | 'context'> = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const close =
        <A extends unknown[]>(settle: (...args: A) => void) =>
        (...args: A) => {
          open.delete(key);
          settle(...args);
        };
      open.set(key, { resolve: close(resolve), reject: close(reject), ...about });
    });

  async function* parts(
    feed: Feed,
    queue: (ModelPart | null | Error)[],
    woken: () => Promise<void>,
  ): AsyncGenerator<ModelPart, void> {
    try {
      for (;;) {
        const part = queue.shift();
        if (part === null) return;
        if (part instanceof Error) throw part;
        if (part) yield part;
        else await woken();
      }
    } finally {
      feed.over = true;
    }
  }

  const provider: ModelProvider = {
    takeTurn(_request, { signal, context: { runId, key } }) {
      const queue: (ModelPart | null | Error)[] = [];
      let wake = () => {};
      const add = (part: ModelPart | null | Error) => {
        queue.push(part);
        wake();
      };
      const feed: Feed = {
        runId,
        isSummary: key.endsWith('/summary'),
        signal,
        over: false,
        push: add,
        end: (error) => add(error ?? null),
      };
      signal.addEventListener('abort', () => add(new FaultError('model.aborted', 'Aborted.')));
      feeds.push(feed);
      return parts(feed, queue, () => new Promise((resolve) => (wake = resolve)));
    },
  };

  const work = (name: string, options: object = {}): Tool =>
    defineTool({
      name,
      description: name,
      inputSchema: numbered,
      idempotent: true,
      execute: ({ n }, context) => ask(`call ${n}`, { signal: context.signal, context }),
      ...options,
    });
  const tools = [
    work('work'),
    work('free'),
    work('few', { maxPerTurn: 1 }),
    work('risky', { confirm: true }),
    work('delegate', { settle: (_reports: unknown, { n }: { n: number }) => ask(`call ${n}`) }),
  ];
  const memory = {
    read: (): Promise<never> => ask('read') as Promise<never>,
    write: (): Promise<never> => ask('write') as Promise<never>,
    search: () => [],
    reset: () => {},
  };

  return {
    provider,
    tools,
    memory,
    open,
    feeds,
    /** Whoever asked is gone. */
    forget(): void {
      open.clear();
      for (const feed of feeds) feed.over = true;
    },
    /** Model calls of a run that nobody has stopped. */
    inFlight: (runId: string) => feeds.filter((feed) => feed.runId === runId && !feed.over && !feed.signal.aborted),
    working: () => [
      ...feeds.filter(({ over, signal }) => !over && !signal.aborted),
      ...[...open.values()].filter(({ signal }) => signal && !signal.aborted),
    ],
    children: (count: number, onPaused: 'bubble' | 'error') =>
      spawned(Array.from({ length: count }, () => ({ agent: helper, job: 'help', onPaused }))),
  };
};
