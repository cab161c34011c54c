import type { StoredEvent } from '@troupe/protocol';
import { happeningOf } from '../runs/happening-of.ts';
import { firstLine } from '../runs/text.ts';
import type { Happening } from '../wire.ts';
import { mermaidText } from './mermaid-text.ts';
import { inOrder } from './story.ts';

/** What passes between lanes: what models are asked and say stays out, and so does what a run does by itself. */
const arrows: Partial<Record<StoredEvent['type'], string>> = {
  'run.started': '->>+',
  'run.completed': '-->>-',
  'run.failed': '--x-',
  'run.interrupted': '--x-',
  'run.steered': '->>',
  'call.started': '->>',
  'call.completed': '-->>',
  'call.failed': '--x',
  'question.asked': '->>',
  'question.answered': '-->>',
  'child.refused': '->>',
};

/**
 * A run or a tree as a Mermaid sequence diagram: who asked whom for what, and what came back, agents, tools and persons a lane each. A call
 * that is its children is drawn as these.
 */
export const toMermaidSequence = (events: readonly StoredEvent[]): string => {
  const ordered = inOrder(events);
  const delegated = new Set(ordered.flatMap((event) => ('childId' in event ? [callOf(event)] : [])));
  const happenings = ordered
    .filter((event) => event.type in arrows && !(event.type.startsWith('call.') && delegated.has(callOf(event))))
    .map(happeningOf);
  const lanes = lanesOf(happenings, ordered);
  const started = new Set<string>();
  const lines = happenings.map((happening) => messageOf(happening, lanes, started));
  return ['sequenceDiagram', ...[...lanes.values()].map(({ declared }) => `  ${declared}`), ...lines, ''].join('\n');
};

type Lane = { id: string; declared: string };

/** A call of a run. Models name several alike: all of a name in a turn are drawn the same way. */
const callOf = ({ runId, callId }: { runId: string; callId?: string | undefined }): string =>
  `${runId} ${callId ?? ''}`;

const lanesOf = (happenings: readonly Happening[], events: readonly StoredEvent[]): Map<string, Lane> => {
  const agents = new Map(events.map(({ runId, agent }) => [runId, agent]));
  const names = new Map<string, number>();
  const lanes = new Map<string, Lane>();
  for (const lane of happenings.flatMap(({ from, to }) => [from, to])) {
    if (lanes.has(lane)) continue;
    const name = agents.get(lane) ?? lane.replace(/^tool:/, '');
    const nth = (names.get(name) ?? 0) + 1;
    names.set(name, nth);
    const label = mermaidText(nth === 1 ? name : `${name} ${nth}`) || '-';
    const id = `l${lanes.size}`;
    lanes.set(lane, { id, declared: `${lane === 'person' ? 'actor' : 'participant'} ${id} as ${label}` });
  }
  return lanes;
};

/** @param started Runs whose lane is marked as active: only these can be left. */
const messageOf = (happening: Happening, lanes: ReadonlyMap<string, Lane>, started: Set<string>): string => {
  const { type, from, to, text } = happening;
  let arrow = arrows[type as StoredEvent['type']] ?? '->>';
  if (arrow.endsWith('+')) started.add(to);
  if (arrow.endsWith('-') && !started.delete(from)) arrow = arrow.slice(0, -1);
  const label = mermaidText(firstLine(text)) || mermaidText(type);
  return `  ${lanes.get(from)?.id}${arrow}${lanes.get(to)?.id}: ${label}`;
};
