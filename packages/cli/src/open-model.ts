import { withRetry } from '@troupe/core';
import { openai } from '@troupe/openai';
import { prices } from '@troupe/prices';
import type { ModelProvider, Pricing } from '@troupe/protocol';
import { type FindOptions, type FoundModel, findModel } from './find-model.ts';
import { rehearsalNotice } from './rehearsal/lead.ts';
import { startRehearsal } from './rehearsal.ts';

/** A model that was found, ready for a runtime. Close it after the last run. */
export interface OpenModel extends AsyncDisposable {
  readonly kind: FoundModel['kind'];
  /** The model id. */
  readonly name: string;
  /** Which model this is, and how to get another: to be shown before anything it says. */
  readonly notice: string;
  /** With retries. */
  readonly provider: ModelProvider;
  readonly pricing: Pricing;
  close(): Promise<void>;
}

/** What runs on this machine costs nothing. */
const nothingToPay: Pricing = { price: () => 0 };

/**
 * Finds a model as {@link findModel} does, and opens the way to it; where there is none, starts the rehearsal model.
 *
 * @throws FaultError `model.misconfigured` when `OPENAI_BASE_URL` is no URL, `rehearsal.unavailable` when a part is not installed.
 */
export const openModel = async (options: FindOptions = {}): Promise<OpenModel> => {
  const found = await findModel(options);
  const rehearsal = found.kind === 'rehearsal' ? await startRehearsal() : null;
  const connection = found.kind === 'rehearsal' ? rehearsal?.connection : found.connection;
  const close = async () => rehearsal?.close();
  return {
    kind: found.kind,
    name: found.name,
    notice: found.kind === 'rehearsal' ? rehearsalHelp : `Model: ${found.name}, ${found.server}.`,
    provider: withRetry(openai(connection)),
    pricing: found.kind === 'env' ? prices() : nothingToPay,
    close,
    [Symbol.asyncDispose]: close,
  };
};

const rehearsalHelp = `${rehearsalNotice}
For a real model set OPENAI_API_KEY or OPENAI_BASE_URL, or start Ollama or another local model server.`;
