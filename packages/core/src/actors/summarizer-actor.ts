import { FaultError, faultOf, type Message, type ModelPart, noUsage, type Usage } from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { SummaryInput } from '../agent/agent-setup.ts';
import type { RunFact } from '../agent/context.ts';
import { splitForSummary, summaryMessage, summaryPrompt, transcriptOf } from '../agent/conversation.ts';
import { nameOf } from '../model/name-of.ts';
import { checkPart, partsOf } from '../model/sound-parts.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';
import { attempted, priced, usageIn } from './attempted.ts';
import { LazyAbort } from './lazy-abort.ts';
import { turnOptions } from './turn-options.ts';

const nothingLeft = (run: LiveRun) =>
  new FaultError(
    'model.context_length',
    `The conversation of "${run.agent.name}" is too long for model "${run.model}", and nothing of it can be summarised. Use a larger model, or smaller inputs.`,
  );

type Finish = Extract<ModelPart, { type: 'finish' }>['reason'];

const silent = ['model.no_answer', 'says nothing'] as const;
const troubles = {
  length: ['model.output_cut', 'was cut off by its output limit: use a model with a larger one'],
  filter: ['model.filtered', "was cut off by the provider's content filter"],
  stop: silent,
  calls: silent,
  none: ['model.stream_cut', 'ended without a reason'],
} as const;

/** Why what a model said is no summary: it may not take the place of what was said. */
const faultWith = ({ agent }: LiveRun, summary: string, finish: Finish | undefined): FaultError | undefined => {
  if ((finish === 'stop' || finish === 'calls') && summary.trim() !== '') return undefined;
  const [code, what] = troubles[finish ?? 'none'];
  return new FaultError(code, `The summary of what was said to "${agent.name}" ${what}.`, {
    retryable: finish === undefined,
  });
};

/** Replaces the old part of a conversation by a summary that the run's own model makes. Stopping it aborts the request. */
export const summarizerActor = (world: World) =>
  fromCallback<AnyEventObject, SummaryInput>(({ input, sendBack }) => {
    const run = world.runs.get(input.runId);
    if (!run) throw new Error(`Run "${input.runId}" is not alive here.`);
    const abort = new LazyAbort();
    const tell = (fact: RunFact) => {
      if (!abort.aborted) sendBack(fact);
    };

    const summarize = async (): Promise<void> => {
      await run.writing;
      const parts = splitForSummary(run.transcript);
      if (!parts && run.context?.contextFull) throw nothingLeft(run);
      if (!parts) return tell({ type: 'context.kept' });
      const replace = (summary: string): void => {
        run.transcript = [...parts.head, summaryMessage(summary), ...parts.kept];
      };
      if (input.given) {
        replace(input.given.summary);
        return tell(input.given);
      }
      const messages: Message[] = [
        { role: 'system', content: summaryPrompt },
        { role: 'user', content: transcriptOf(parts.old) },
      ];
      const { provider, model } = world.providerOf(run.model, run);
      let summary = '';
      let usage: Usage = noUsage;
      let answering = run.model;
      let finish: Finish | undefined;
      const options = turnOptions(world, run, input.turn, abort, 'summary');
      for await (const part of partsOf(provider, { model, messages, tools: [] }, options)) {
        if (abort.aborted) return;
        run.progressAt = world.clock.now();
        checkPart(part, provider, model);
        if (part.type === 'text') summary += part.delta;
        if (part.type === 'usage') {
          usage = usageIn(part.usage);
          answering = part.model ?? run.model;
          run.used = priced(world, answering, usage);
        }
        if (part.type === 'finish') finish = part.reason;
        if (part.type === 'attempt') {
          summary = '';
          tell(attempted(world, run, model, part, usage));
          usage = noUsage;
        }
      }
      if (abort.aborted) return;
      const fault = faultWith(run, summary, finish);
      if (fault && run.context?.contextFull) throw fault;
      if (fault) {
        const attempt = {
          type: 'attempt',
          number: 1,
          provider: nameOf(provider),
          model,
          fault: fault.toFault(),
        } as const;
        tell(attempted(world, run, model, attempt, usage));
        return tell({ type: 'context.kept', tried: true });
      }
      replace(summary);
      tell({
        type: 'context.summarized',
        summary,
        summarized: parts.old.length,
        kept: parts.kept.length,
        usage,
        costUsd: world.priceOf(answering, usage),
        ...(answering !== run.model && { model: answering }),
      });
    };

    void summarize().catch((error: unknown) => tell({ type: 'turn.failed', fault: faultOf(error, 'model.failed') }));
    return () => abort.abort();
  });
