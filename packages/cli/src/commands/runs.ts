/** Stored runs, looked at: nothing is executed, whoever executes them. */
import {
  type Fault,
  isEnded,
  isLive,
  type JSONValue,
  type RunEvent,
  type RunRow,
  RunStatus,
  type RunTree,
  tokensOf,
  unfinished,
} from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import { costText, markOf, statusOf, timeText, tokensText } from '../tree/figures.ts';
import { lineOf } from '../tree/line-of.ts';
import { again, quoted } from './again.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { briefly, momentText, tableText } from './tables.ts';
import { untilLeft } from './until-left.ts';
import { countOf, durationOf } from './values.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

type Flags<More = object> = CommonFlags & More;

/** Opens the store for as long as something is looked at. */
const looking =
  <Args extends unknown[], More>(
    look: (workspace: Workspace, asked: Parameters<Action<Args, Flags<More>>>[0]) => Promise<void>,
  ): Action<Args, Flags<More>> =>
  async (asked) => {
    const workspace = await openWorkspace({ ...asked.flags, placing: { when: 'never' } }, asked.terminal);
    try {
      await look(workspace, asked);
      return exitCode.done;
    } finally {
      await workspace.close();
    }
  };

const signOf = ({ status, exitReason }: Pick<RunRow, 'status' | 'exitReason'>): string =>
  `${status === 'running' || status === 'interrupting' ? '·' : markOf({ status, ...(exitReason && { exitReason }) }, 0)} ${statusOf({ status, ...(exitReason && { exitReason }) })}`;
const costOf = ({ usage }: RunRow): string => (usage.total.costUsd === undefined ? '–' : costText(usage.total.costUsd));

const statusesOf = (said: readonly string[] | undefined): RunStatus[] | undefined => {
  if (said === undefined) return undefined;
  return said.flatMap((each) => {
    if (each === 'open') return unfinished;
    const read = RunStatus.safeParse(each);
    if (read.success) return read.data;
    throw misuse(`--status is "${each}". Expected open, ${RunStatus.options.join(', ')}.`);
  });
};

/** Rows, newest first, until there are as many as are wanted. */
const rowsIn = async (
  { runtime }: Workspace,
  {
    limit,
    status,
    before,
    isAll,
  }: { limit: number; status: RunStatus[] | undefined; before: string | undefined; isAll: boolean },
): Promise<RunRow[]> => {
  const rows: RunRow[] = [];
  let last = before;
  while (rows.length < limit) {
    const page = await runtime.runs.list({
      limit: 200,
      ...(status && { status }),
      ...(last !== undefined && { before: last }),
    });
    rows.push(...page.filter(({ parentId }) => isAll || parentId === undefined));
    last = page.at(-1)?.runId;
    if (page.length < 200) break;
  }
  return rows.slice(0, limit);
};

export const list = looking<[], { status?: string[]; limit?: string; before?: string; all?: true }>(
  async (workspace, { flags, terminal }) => {
    const output = openOutput(terminal, flags.json);
    const status = statusesOf(flags.status);
    const limit = countOf(flags.limit ?? '20', '--limit');
    if (flags.before !== undefined) await workspace.runtime.attach(flags.before);
    const rows = await rowsIn(workspace, { limit, status, before: flags.before, isAll: flags.all === true });
    if (flags.json) {
      for (const row of rows) output.give(row, () => '');
      return;
    }
    if (rows.length === 0) return output.note('No runs.');
    const cells = rows.map((row) => [
      row.runId,
      row.agent,
      signOf(row),
      momentText(row.createdAt),
      String(row.usage.turns),
      tokensText(tokensOf(row.usage.total)),
      costOf(row),
      briefly(row.job.input),
    ]);
    output.give(null, () => tableText(['run', 'agent', 'status', 'began', 'turns', 'tokens', 'cost', 'job'], cells));
  },
);

export const show = looking<[runId: string], object>(
  async ({ runtime, namedStore }, { args: [runId], flags, terminal }) => {
    const output = openOutput(terminal, flags.json);
    const run = await runtime.attach(runId);
    const row = await runtime.runs.get(runId);
    const tree = await runtime.runs.tree(row?.rootId ?? runId);
    const last = await lastWords(runtime.events({ runId }), row);
    output.give({ ...row, questions: run.questions, ...last }, () => {
      const { usage } = row as RunRow;
      const facts: [string, string | undefined][] = [
        ['run', runId],
        ['agent', row?.agent],
        ['model', row?.model],
        ['status', row && signOf(row)],
        ['began', row && momentText(row.createdAt)],
        ['took', row?.endedAt === undefined ? undefined : timeText(row.endedAt - row.createdAt)],
        ['turns', String(usage.turns)],
        ['calls', String(usage.toolCalls)],
        [
          'tokens',
          `${tokensText(tokensOf(usage.total))} with everything below, ${tokensText(tokensOf(usage.own))} of its own`,
        ],
        ['cost', row && costOf(row)],
        ['parent', row?.parentId],
        ['session', row?.sessionKey],
        ['below', String(countOfRuns(findIn(tree, runId) ?? tree) - 1)],
        ['job', briefly(row?.job.input, 200)],
      ];
      const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(8)} ${value}`]));
      for (const { id, prompt, options } of run.questions)
        lines.push(
          `asks     ${prompt}${options.length > 0 ? ` (${options.join(', ')})` : ''}`,
          `         ${again(`answer ${quoted(id)} ANSWER`, { store: namedStore })}`,
        );
      if (last.fault) lines.push('', last.fault.message);
      if (last.text) lines.push('', last.text);
      return lines.join('\n');
    });
  },
);

/** What a run that has ended said last. */
const lastWords = async (
  events: AsyncIterable<RunEvent>,
  row: RunRow | undefined,
): Promise<{ text?: string | null; data?: JSONValue; fault?: Fault }> => {
  if (!row || !isEnded(row.status)) return {};
  for await (const event of events) {
    if (event.type === 'run.completed')
      return { text: event.text, ...(event.data !== undefined && { data: event.data }) };
    if (event.type === 'run.failed')
      return { fault: event.fault, ...(event.partialText && { text: event.partialText }) };
    if (event.type === 'run.interrupted') return { text: event.reason };
  }
  return {};
};

const countOfRuns = (tree: RunTree): number => tree.children.reduce((sum, child) => sum + countOfRuns(child), 1);
const findIn = (tree: RunTree, runId: string): RunTree | undefined => {
  if (tree.runId === runId) return tree;
  for (const child of tree.children) {
    const found = findIn(child, runId);
    if (found) return found;
  }
  return undefined;
};

/** `--follow` goes on with what comes, until the run has ended, or nobody reads. */
export const events = looking<[runId: string], { after?: string; type?: string[]; follow?: true; own?: true }>(
  async ({ runtime, store }, { args: [runId], flags, terminal }) => {
    const output = openOutput(terminal, flags.json);
    await runtime.attach(runId);
    const row = await runtime.runs.get(runId);
    const after = countOf(flags.after ?? '0', '--after');
    const isOwn = flags.own === true || row?.parentId !== undefined;
    const query = isOwn ? { runId, after } : { rootId: runId, after };
    const wanted = (event: RunEvent): boolean =>
      !flags.type || flags.type.some((type) => event.type === type || event.type.startsWith(`${type}.`));
    for await (const event of flags.follow ? untilLeft(runtime.events(query), terminal.output) : store.events(query)) {
      if (!isLive(event) && wanted(event)) output.give(event, () => eventText(event));
      if (flags.follow && event.runId === runId && /^run\.(completed|failed|interrupted)$/.test(event.type)) break;
    }
  },
);

/** A line for every event, in the words of the live view where it has some. */
const eventText = (event: RunEvent): string =>
  `${momentText(event.at)}  ${'id' in event ? event.id : event.runId}  ${event.type}  ${lineOf(event)?.trim() ?? ''}`.trimEnd();

export const tree = looking<[runId: string], object>(async ({ runtime }, { args: [runId], flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  await runtime.attach(runId);
  const row = await runtime.runs.get(runId);
  const whole = await runtime.runs.tree(row?.rootId ?? runId);
  const found = findIn(whole, runId) ?? whole;
  output.give(found, () => treeLines(found, '').join('\n'));
});

const treeLines = (run: RunTree, indent: string): string[] => {
  const figures = [
    `${run.usage.turns} ${run.usage.turns === 1 ? 'turn' : 'turns'}`,
    `${tokensText(tokensOf(run.usage.own))} tokens`,
  ];
  const behind = run.background ? '  in the background' : '';
  const line = `${indent}${signOf(run)}  ${run.agent}  ${run.runId}  ${figures.join('  ')}${behind}`;
  return [line, ...run.children.flatMap((child) => treeLines(child, `${indent}  `))];
};

export const prune = looking<[], { olderThan: string; keep?: string }>(async ({ runtime }, { flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const olderThan = durationOf(flags.olderThan, '--older-than');
  const keep = countOf(flags.keep ?? '0', '--keep');
  const pruned = await runtime.runs.prune({ olderThan, keep });
  output.give({ pruned }, () => `Forgot ${pruned} ${pruned === 1 ? 'tree' : 'trees'} of runs.`);
});
