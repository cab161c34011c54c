import { setTimeout as wait } from 'node:timers/promises';
import { createRuntime, memoryStore, type Runtime } from '@troupe/core';
import {
  type Budget,
  FaultError,
  type Logger,
  type ModelProvider,
  type Placement,
  type RunStore,
  redact,
} from '@troupe/protocol';
import { type OpenModel, openModel } from '../open-model.ts';
import type { Terminal } from '../terminal.ts';
import { harmless } from '../text-width.ts';
import { type LoadedFile, loadAgentFile } from './agent-file.ts';
import type { CommonFlags } from './asked.ts';
import { openPlacement, type Placing, placeFor } from './open-placement.ts';
import { openStore, storePlaceOf } from './open-store.ts';

/** A runtime on a store, as a command needs it. */
export type Workspace = {
  readonly runtime: Runtime;
  readonly store: RunStore;
  /** Null where no agent file was given: nothing can be brought to life here then. */
  readonly file: LoadedFile | null;
  /** Where runs are stored, for people, without a password; null when they are not, or by a store of the agent file. */
  readonly storeName: string | null;
  /** The same, where it was named with `--store`: whoever goes on has to name it again. */
  readonly namedStore: string | undefined;
  /** Who hands runs to workers; null where every run is executed by the process that started it. */
  readonly placement: Placement | null;
  /** Which model was found, where the agent file brings none. */
  readonly notice: string | null;
  /** Warnings of the runtime go here from now on. Default: to the terminal's errors. */
  warnTo(write: (text: string) => void): void;
  /** From now on closing waits for nothing that takes long: a store that is busy, a tool that does not end. */
  leave(): void;
  /** What is alive is suspended in a store that lasts, else interrupted. */
  close(): Promise<void>;
};

export type WorkspaceOptions = Pick<CommonFlags, 'store'> & {
  file?: string | undefined;
  model?: string | undefined;
  budget?: Budget | undefined;
  /** Whether the store is made where there is none. */
  mayBegin?: boolean;
  /** Default: children whose agents or file say so are left to workers, where the store is one that those reach. */
  placing?: Placing;
};

/** How long whoever leaves waits for runs, stores and agent files. What they have not done by then is as after a crash: it can be recovered. */
export const leaveMs = 500;

/** Milliseconds that a database may take to answer: a command that executes nothing has somebody waiting in front of it. */
const lookMs = 5_000;
const executeMs = 20_000;

/** For runtimes that only look, and carry commands to where runs are executed. */
const nobody: ModelProvider = {
  takeTurn() {
    throw new FaultError('model.not_set', 'Nothing is executed here: no agent file was given.');
  },
};

/**
 * Opens the store, and a runtime on it with the agents of a file and the model that there is.
 *
 * @throws FaultError what the agent file, the store or the model is wrong with
 */
export const openWorkspace = async (
  { store: named, file: path, model: modelName, budget, mayBegin = false, placing = {} }: WorkspaceOptions,
  terminal: Terminal,
): Promise<Workspace> => {
  let write = (text: string): void => void terminal.errors.write(`troupe: ${harmless(text)}\n`);
  const say: Logger['warn'] = (message, details) =>
    write(redact(details ? `${message} ${JSON.stringify(details)}` : message));
  const file = path === undefined ? null : await loadAgentFile(path, terminal.folder);
  const { options = {}, agents = [] } = file ?? {};

  const own = named === undefined ? options.store : undefined;
  const place = own || named === false ? null : storePlaceOf(named, terminal);
  const leaseMs = options.leaseMs ?? placing.leaseMs;
  // Who is cut off stops before others take its runs over.
  const timeoutMs = file ? Math.max(Math.min(executeMs, (leaseMs ?? executeMs * 2) * 0.8), 1_000) : lookMs;
  const opened = place && (await openStore(place, mayBegin, timeoutMs));
  const store = own ?? opened ?? memoryStore();
  const brings = options.provider !== undefined || options.providers !== undefined;
  let found: OpenModel | null = null;
  let engine: Placement | null = null;
  let isLeft = false;
  const close = async (): Promise<void> => {
    await engine?.close();
    await found?.close();
    await opened?.close();
    await file?.close();
  };
  try {
    if (!options.placement) engine = await openPlacement(place, placing, { warn: say, error: say });
    const placement = options.placement ?? engine;
    if (file && !brings) found = await openModel({ env: environmentWith(modelName, terminal) });
    const model = modelName ?? options.model ?? found?.name;
    const runtime = createRuntime({
      ...(file ? {} : { provider: nobody }),
      ...(found && { provider: found.provider, pricing: found.pricing }),
      logger: { warn: say, error: say },
      ...options,
      ...(model !== undefined && { model }),
      ...(budget && { budget: { ...options.budget, ...budget } }),
      ...(leaseMs !== undefined && { leaseMs }),
      ...(placement && placeFor(placement, options, placing)),
      store,
      agents,
    });
    return {
      runtime,
      store,
      file,
      storeName: place?.shown ?? null,
      namedStore: typeof named === 'string' ? place?.shown : undefined,
      placement,
      notice: found?.notice ?? null,
      warnTo(next) {
        write = next;
      },
      leave() {
        isLeft = true;
      },
      async close() {
        const closing = runtime.close().then(close);
        if (!isLeft) return closing;
        const over = closing.then(() => true).catch(() => true);
        if (!(await Promise.race([over, wait(leaveMs, false)]))) terminal.signals.quit();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
};

const environmentWith = (model: string | undefined, { environment }: Pick<Terminal, 'environment'>) =>
  model === undefined ? environment : { ...environment, TROUPE_MODEL: model };
