import { parseArgs } from 'node:util';
import { adapters } from './cells.ts';
import { scenarios } from './scenarios.ts';

/** What is measured beside the scenarios: `million` only when it is asked for, `placed` and `looking` not with `--quick`. */
const parts = ['stored', 'cold', 'size', 'million', 'placed', 'looking'] as const;
type Part = (typeof parts)[number];

export type Flags = {
  quick: boolean;
  rounds: number;
  json: boolean;
  adapters: string[];
  scenarios: string[];
  parts: ReadonlySet<Part>;
  /** How many runs are stored for `million`. */
  runs: number;
};

export const help = `npm run bench -- [--quick] [--rounds N] [--only S3,S4,cold] [--adapters troupe,xstate-lean] [--json] [--million]

  --quick       one round, short samples, no browser: under 90 seconds, to see that everything works and nothing is far off
  --rounds N    rounds in which every adapter is measured once (default 3, with --quick 1)
  --only LIST   of ${[...new Set(scenarios.map(({ id }) => id.replace(/-.*/, '')))].join(', ')}, one size such as S4-100, ${parts.join(', ')}
  --adapters    of ${Object.keys(adapters).join(', ')}; targets need troupe and xstate-lean
  --json        everything that was found, as JSON
  --million     also a file with 1,000,000 runs (--runs N: as many): minutes, and 6 GB of disk`;

const wrong = (sentence: string): never => {
  throw new Error(`${sentence}\n\n${help}`);
};

const wholeNumber = (flag: string, text: string): number =>
  /^[1-9]\d*$/.test(text) ? Number(text) : wrong(`--${flag} is "${text}"; expected a whole number of 1 or more.`);

const listOf = (flag: string, text: string, known: readonly string[]): string[] => {
  const names = text.split(',').filter((name) => name !== '');
  for (const name of names)
    if (!known.includes(name)) wrong(`--${flag} names "${name}", which is none of ${known.join(', ')}.`);
  return names.length > 0 ? names : wrong(`--${flag} names nothing; expected some of ${known.join(', ')}.`);
};

/** @throws Error with one sentence and the help, when a flag says what it cannot. */
export const readFlags = (args: string[]): Flags | 'help' => {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      adapters: { type: 'string' },
      json: { type: 'boolean', default: false },
      million: { type: 'boolean', default: false },
      runs: { type: 'string', default: '1000000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const ids = scenarios.map(({ id }) => id);
  const families = ids.map((id) => id.replace(/-.*/, ''));
  const only =
    values.only === undefined ? undefined : listOf('only', values.only, [...new Set([...families, ...ids, ...parts])]);
  const asked = (part: Part): boolean => {
    if (only?.includes(part)) return true;
    if (part === 'million') return values.million;
    return only === undefined && !((part === 'looking' || part === 'placed') && values.quick);
  };
  return {
    quick: values.quick,
    rounds: wholeNumber('rounds', values.rounds ?? (values.quick ? '1' : '3')),
    json: values.json,
    adapters: values.adapters ? listOf('adapters', values.adapters, Object.keys(adapters)) : Object.keys(adapters),
    scenarios: ids.filter((id, i) => !only || only.includes(id) || only.includes(families[i] ?? '')),
    parts: new Set(parts.filter(asked)),
    runs: wholeNumber('runs', values.runs),
  };
};
