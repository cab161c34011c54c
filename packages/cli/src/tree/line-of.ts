import type { Budget, RunEvent } from '@troupe/protocol';
import { fitTo, oneLine } from '../text-width.ts';
import { costText, countsOf, markOf, tokensText } from './figures.ts';

/** A line never grows beyond this, whatever a model or a tool said. */
const maxColumns = 240;

/** One line for an event worth telling where nothing can be redrawn, or `null` for all others. A pure function. */
export const lineOf = (event: RunEvent): string | null => {
  const text = textOf(event);
  if (text === null) return null;
  return fitTo(`${'  '.repeat(event.depth)}${text[0]} ${oneLine(event.agent)} ${oneLine(text[1])}`, maxColumns);
};

const textOf = (event: RunEvent): [mark: string, text: string] | null => {
  switch (event.type) {
    case 'run.queued':
      return [markOf({ status: 'queued' }, 0), 'is queued'];
    case 'run.started':
      return ['▸', `starts with ${event.model}`];
    case 'run.paused':
      return event.reason === 'paused' ? [markOf({ status: 'paused' }, 0), 'is paused'] : null;
    case 'run.resumed':
      return ['▸', 'goes on'];
    case 'run.steered':
      return ['▸', `is told: ${event.text}`];
    case 'run.detached':
      return ['‖', 'waits by itself; its parent goes on'];
    case 'run.forked':
      return ['▸', `goes on from ${event.from} of another tree`];
    case 'run.recovered':
      return ['▸', 'was recovered'];
    case 'run.completed':
      return [
        markOf({ status: 'completed' }, 0),
        `completed after ${turns(event.usage.turns)}${spent(event.usage.own)}`,
      ];
    case 'run.failed':
      return [markOf({ status: 'failed' }, 0), `failed: ${event.exitReason} – ${event.fault.message}`];
    case 'run.interrupted':
      return [markOf({ status: 'interrupted' }, 0), `was interrupted: ${event.reason}`];
    case 'turn.attempted':
      return event.fault === undefined
        ? null
        : ['↻', `turn ${event.turn}, attempt ${event.number}: ${event.fault.message}`];
    case 'turn.completed': {
      const calls = event.message.calls ?? [];
      return calls.length === 0 ? null : ['·', `turn ${event.turn}: ${countsOf(calls.map(({ name }) => name))}`];
    }
    case 'call.failed':
      return ['!', `${event.tool}: ${event.error}`];
    case 'question.asked':
      return ['?', `asks: ${event.question.prompt}`];
    case 'question.answered':
      return ['▸', 'got an answer'];
    case 'child.refused':
      return ['!', `may not start a child: ${event.message}`];
    case 'budget.warned':
      return ['!', `has used ${event.spent} of ${event.limit} ${event.kind}`];
    case 'budget.raised':
      return ['▸', `may use more: ${limitsText(event.budget)}`];
    case 'spawning.paused':
      return ['‖', 'may start no children'];
    case 'spawning.resumed':
      return ['▸', 'may start children again'];
    case 'budget.exhausted':
      return ['!', `has used up its ${event.kind}: ${event.spent} of ${event.limit}`];
    case 'context.compacted':
      return ['·', `summarised ${event.summarized} messages, kept ${event.kept}`];
    case 'warning.raised':
      return ['!', event.message];
    default:
      return null;
  }
};

const limitsText = (budget: Budget): string =>
  Object.entries(budget)
    .filter(([kind]) => kind !== 'deadlineAt')
    .map(([kind, limit]) => `${limit} ${kind}`)
    .join(', ');

const turns = (n: number): string => (n === 1 ? '1 turn' : `${n} turns`);

const spent = ({
  inputTokens,
  outputTokens,
  costUsd,
}: {
  inputTokens: number;
  outputTokens: number;
  costUsd?: number | undefined;
}) => `, ${tokensText(inputTokens + outputTokens)} tokens${costUsd === undefined ? '' : `, ${costText(costUsd)}`}`;
