import { hashOf, type JSONValue, type Report, redact, shorten, textOfMessage } from '@troupe/protocol';
import { durationMsOf, entryStatusOf } from './entry.ts';
import { secondsOf } from './timeout-text.ts';

/** What a diagnosis says of a child beside its report. What is missing is left out. */
export type DiagnosisAbout = {
  /** Its first 1,000 characters are kept. */
  goal: string;
  /** 0-based. */
  index?: number;
  count?: number;
  role?: string;
  depth?: number;
  timeoutMs?: number;
  /** Model, limits, settings … of the child. */
  config?: JSONValue;
  /** Names of the tools that it was offered. */
  tools?: readonly string[];
};

/** A log: what it is called and what it says. */
export type Diagnosis = { fileName: string; text: string };

/** Two ids that look alike as file names stay two. */
const nameOf = (runId: string): string =>
  `${runId.replace(/[^A-Za-z0-9._-]+/g, '_').slice(-80)}-${hashOf(runId).slice(0, 8)}`;

/** `20250131T235959` of epoch milliseconds. */
const stampOf = (at: number): string => new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, '');

const promptSizes = (messages: Report['messages']): string =>
  (['system', 'user', 'assistant', 'tool'] as const)
    .map((role) => {
      const texts = messages.filter((message) => message.role === role).map(textOfMessage);
      return `${role} ${texts.reduce((sum, { length }) => sum + length, 0)} characters in ${texts.length} messages`;
    })
    .join(', ');

/**
 * The log of a child that ran out of time before its model answered once; `undefined` for every other child. Holds no secret, and is
 * the same each time it is made of the same report: what is written again takes its own place.
 */
export const diagnosisOf = (report: Report, about: DiagnosisAbout): Diagnosis | undefined => {
  if (entryStatusOf(report) !== 'timeout' || report.usage.turns > 0) return undefined;
  const { runId, parentId, callId, agent, exitReason, fault, usage, messages } = report;
  // Secrets go first: half a secret is not recognised.
  const { goal, index, count, role, depth, timeoutMs, config, tools } = redact(about);
  const lines: [label: string, value: unknown][] = [
    ['run', runId],
    ['parent', parentId],
    ['call', callId],
    ['agent', agent],
    ['task', index === undefined ? undefined : `${index + 1}${count === undefined ? '' : ` of ${count}`}`],
    ['role', role],
    ['depth', depth],
    ['exit reason', exitReason],
    ['fault', fault && `${fault.code}: ${fault.message}`],
    ['timeout', timeoutMs === undefined ? undefined : `${secondsOf(timeoutMs)}s`],
    ['duration', `${secondsOf(durationMsOf(report))}s, of which it worked ${secondsOf(usage.activeMs)}s`],
    ['goal', shorten(goal, 1_000)],
    ['config', config === undefined ? undefined : JSON.stringify(config)],
    ['prompt', promptSizes(messages)],
    ['tools', tools && (tools.join(', ') || 'none')],
    ['stack', 'not available: what the child waited for has none'],
  ];
  const text = lines
    .flatMap(([label, value]) => (value === undefined ? [] : [`${label}: ${String(value)}\n`]))
    .join('');
  const at = report.endedAt ?? report.createdAt ?? 0;
  return {
    fileName: `subagent-timeout-${nameOf(runId)}-${stampOf(at)}.log`,
    text: `The model of this child did not answer once before its time was up.\n\n${redact(text)}`,
  };
};
