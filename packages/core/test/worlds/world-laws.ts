/** What must hold in every world, however it went: one sentence for each finding. */
import { type EventOf, isTerminal, type RunTree, type StoredEvent, tokensOf } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';
import { isPatient } from './plan.ts';
import { storedIn, type World } from './world.ts';

export const findingsIn = async (world: World): Promise<string[]> => {
  if (!world.closed) return ['close() does not end'];
  const stored = storedIn(world.events);
  const lawful = checkRunLaws(world.events, { open: world.suspended }).map(({ law, message }) => `${law} ${message}`);
  return [
    ...world.thrown.filter((error) => !isBomb(error)).map((error) => `a command threw: ${String(error)}`),
    ...lawful,
    ...nobodyWorks(world),
    ...nobodyHangs(world),
    ...bugs(world, stored),
    ...charges(world, stored),
    ...replays(world, stored),
    ...(await trees(world, stored)),
    ...(await reports(world)),
  ];
};

/** A command to a chart that breaks just then is told so. */
const isBomb = (error: unknown): boolean => error instanceof Error && error.message.endsWith('throws');

/** L9, L2: what is dead has nobody at work. */
const nobodyWorks = ({ outside, ghosts }: World): string[] =>
  [...ghosts, ...[...outside.working].filter(({ signal }) => !signal.aborted)].map(
    ({ what, runId }) => `L9 ${what} still works for "${runId}", which has ended or was interrupted`,
  );

/** A run that nobody holds up comes to an end by itself. */
const nobodyHangs = ({ left, outside, plan }: World): string[] => {
  const mayHang =
    isPatient(plan) &&
    (plan.said.some((said) => said === 'never' || said === 'deaf' || said === 'half') ||
      plan.deeds.some((deed) => deed === 'never' || deed === 'deaf'));
  return mayHang || outside.working.size > 1_000
    ? []
    : left.map((runId) => `"${runId}" does not end, though nothing holds it up`);
};

/** The chart has no bug of its own. */
const bugs = ({ plan }: World, stored: readonly StoredEvent[]): string[] =>
  Object.keys(plan.bombs).length > 0
    ? []
    : stored.flatMap((event) =>
        event.type === 'run.failed' && event.fault.code === 'run.bug'
          ? [`a bug in "${event.runId}": ${event.fault.message}`]
          : [],
      );

/** L9, L4: what was used is charged, also when the work was aborted, and to the run that asked for it. */
const charges = ({ outside, plan, suspended }: World, stored: readonly StoredEvent[]): string[] =>
  Object.keys(plan.bombs).length > 0 || suspended
    ? []
    : stored.flatMap((event) => {
        if (!isTerminal(event)) return [];
        const paid = outside.paid.get(event.runId) ?? 0;
        const told = tokensOf(event.usage.own);
        return paid === told ? [] : [`L9 "${event.runId}" tells of ${told} tokens, but its models used ${paid}`];
      });

/** L6: what is read again is what was told. */
const replays = ({ joined, suspended, runtime, roots }: World, stored: readonly StoredEvent[]): string[] => {
  if (suspended) return [];
  const ids = (events: readonly { id: string }[]) => events.map(({ id }) => id).join(' ');
  const replayed = roots.map(({ id }) => {
    const events: World['events'] = [];
    runtime.events({ rootId: id }).subscribe((event) => events.push(event));
    return { rootId: id, events };
  });
  return [...joined, ...replayed].flatMap(({ rootId, events }) => {
    const told = ids(stored.filter((event) => event.rootId === rootId));
    const read = ids(storedIn(events));
    return told === read ? [] : [`L6 a reader of "${rootId}" got ${read}, but ${told} was told`];
  });
};

const nodesOf = (tree: RunTree): RunTree[] => [tree, ...tree.children.flatMap(nodesOf)];

/** `runtime.runs.tree` is what the events say; usage adds up from the leaves. */
const trees = async ({ runtime, roots, suspended }: World, stored: readonly StoredEvent[]): Promise<string[]> => {
  const found: string[] = [];
  for (const { id } of roots) {
    const mine = stored.filter((event) => event.rootId === id);
    if (mine.length === 0) continue;
    const nodes = nodesOf(await runtime.runs.tree(id));
    const ids = new Set(mine.map(({ runId }) => runId));
    if (nodes.length !== ids.size)
      found.push(`the tree of "${id}" has ${nodes.length} runs, its events tell of ${ids.size}`);
    for (const node of nodes) {
      const end = mine.find((event) => event.runId === node.runId && isTerminal(event)) as
        | EventOf<'run.completed' | 'run.failed' | 'run.interrupted'>
        | undefined;
      if (!end) {
        if (!suspended) found.push(`"${node.runId}" has no end`);
        continue;
      }
      if (`run.${node.status}` !== end.type)
        found.push(`"${node.runId}" is ${node.status} in the tree, and told ${end.type}`);
      if (JSON.stringify(node.usage) !== JSON.stringify(end.usage))
        found.push(`the usage of "${node.runId}" differs between tree and end`);
      const detached = new Set(mine.flatMap((event) => (event.type === 'run.detached' ? [event.runId] : [])));
      const below = node.children.filter(({ runId }) => !detached.has(runId));
      const sum = below.reduce((tokens, child) => tokens + tokensOf(child.usage.total), tokensOf(node.usage.own));
      if (below.length === node.children.length && sum !== tokensOf(node.usage.total))
        found.push(`L4 the usage of "${node.runId}" is ${tokensOf(node.usage.total)}, but its parts are ${sum}`);
    }
  }
  return found;
};

/** L1, L3: every root has one report, and in its conversation each call is followed by its answers. */
const reports = async ({ roots, suspended, plan }: World): Promise<string[]> => {
  if (suspended) return [];
  const found: string[] = [];
  for (const root of roots) {
    const report = (await Promise.race([root.report, Promise.resolve().then(() => null)])) ?? (await soon(root.ended));
    if (!report) found.push(`the report of "${root.id}" never comes`);
    else if (report.status !== root.status)
      found.push(`"${root.id}" is ${root.status}, and reported as ${report.status}`);
    else if (!plan.features.includes('short conversations') && !plan.said.includes('context full')) {
      const { messages } = report;
      messages.forEach(({ calls = [] }, at) => {
        calls.forEach(({ id }, n) => {
          const answer = messages[at + 1 + n];
          if (answer?.role !== 'tool' || answer.callId !== id)
            found.push(`L3 call "${id}" of "${root.id}" has no answer in its place`);
        });
      });
    }
  }
  return found;
};

const soon = <T>(promise: Promise<T>): Promise<T | null> =>
  Promise.race([promise, new Promise<null>((resolve) => setImmediate(() => resolve(null)))]);
