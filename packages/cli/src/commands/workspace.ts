import { setTimeout as wait } from 'node:timers/promises';
import { createRuntime, memoryStore, type Runtime } from '@troupe/core';
import { type Budget, FaultError, type Logger, type ModelProvider, type RunStore, redact } from '@troupe/protocol';
import { openModel } from '../open-model.ts';
import type { Terminal } from '../terminal.ts';
import { harmless } from '../text-width.ts';
import { type LoadedFile, loadAgentFile } from './agent-file.ts';
import type { CommonFlags } from './asked.ts';
import { openStore, storeFileOf } from './open-store.ts';

/** A runtime on a store, as a command needs it. */
export type Workspace = {
  readonly runtime: Runtime;
  readonly store: RunStore;
  /** Null where no agent file was given: nothing can be brought to life here then. */
  readonly file: LoadedFile | null;
  /** Where runs are stored, for people; null when they are not, or by a store of the agent file. */
  readonly storeFile: string | null;
  /** The same, where it was named with `--store`: whoever goes on has to name it again. */
  readonly namedStore: string | undefined;
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
};

/** How long whoever leaves waits for runs, stores and agent files. What they have not done by then is as after a crash: it can be recovered. */
export const leaveMs = 500;

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
  { store: named, file: path, model: modelName, budget, mayBegin = false }: WorkspaceOptions,
  terminal: Terminal,
): Promise<Workspace> => {
  let write = (text: string): void => void terminal.errors.write(`troupe: ${harmless(text)}\n`);
  const say: Logger['warn'] = (message, details) =>
    write(redact(details ? `${message} ${JSON.stringify(details)}` : message));
  const file = path === undefined ? null : await loadAgentFile(path, terminal.folder);
  const { options = {}, agents = [] } = file ?? {};

  const own = named === undefined ? options.store : undefined;
  const storeFile = own || named === false ? null : storeFileOf(named, terminal);
  const opened = storeFile === null ? null : openStore(storeFile, mayBegin);
  const store = own ?? opened ?? memoryStore();
  const brings = options.provider !== undefined || options.providers !== undefined;
  const found = file && !brings ? await openModel({ env: environmentWith(modelName, terminal) }) : null;
  const model = modelName ?? options.model ?? found?.name;

  let isLeft = false;
  const close = async (): Promise<void> => {
    await found?.close();
    await opened?.close();
    await file?.close();
  };
  try {
    const runtime = createRuntime({
      ...(file ? {} : { provider: nobody }),
      ...(found && { provider: found.provider, pricing: found.pricing }),
      logger: { warn: say, error: say },
      ...options,
      ...(model !== undefined && { model }),
      ...(budget && { budget: { ...options.budget, ...budget } }),
      store,
      agents,
    });
    return {
      runtime,
      store,
      file,
      storeFile,
      namedStore: typeof named === 'string' && storeFile !== null ? storeFile : undefined,
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
