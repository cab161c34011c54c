import { agentMachine } from '@troupe/core';
import { isWithin, type StoredEvent } from '@troupe/protocol';
import type { ExportFormat } from '../wire.ts';
import { toHTML } from './to-html.ts';
import { toJSONL } from './to-jsonl.ts';
import { toMarkdown } from './to-markdown.ts';
import { toMermaidChart } from './to-mermaid-chart.ts';
import { toMermaidSequence } from './to-mermaid-sequence.ts';

type Format = { ending: string; mediaType: string; write(events: readonly StoredEvent[]): string };

const formats: Record<ExportFormat, Format> = {
  html: { ending: 'html', mediaType: 'text/html', write: toHTML },
  markdown: { ending: 'md', mediaType: 'text/markdown', write: toMarkdown },
  jsonl: { ending: 'jsonl', mediaType: 'application/x-ndjson', write: toJSONL },
  sequence: { ending: 'sequence.mmd', mediaType: 'text/vnd.mermaid', write: toMermaidSequence },
  chart: { ending: 'chart.mmd', mediaType: 'text/vnd.mermaid', write: () => toMermaidChart(agentMachine) },
};

/** A text to be kept as a file. `name` is one that every file system takes. */
export type ExportedFile = { name: string; mediaType: string; text: string };

/**
 * A run with all below it as a file, in any of the formats: what the inspector's page and `troupe runs export` give. `chart` is the machine
 * of every run.
 *
 * @param events Of its tree, in any order; those of other runs are left out.
 * @returns `undefined` where none of them is of the run
 */
export const exportAs = (as: ExportFormat, runId: string, events: readonly StoredEvent[]): ExportedFile | undefined => {
  const own = events.filter((event) => isWithin(event.runId, runId));
  if (own.length === 0) return undefined;
  const { ending, mediaType, write } = formats[as];
  return { name: `${runId.replace(/[^\w.-]+/g, '_')}.${ending}`, mediaType, text: write(own) };
};
