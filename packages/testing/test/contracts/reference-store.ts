import {
  type Commit,
  type EventQuery,
  FaultError,
  isEnded,
  type ReadEvent,
  type RunFilter,
  type RunRow,
  type RunStore,
} from '@troupe/protocol';

/** Ways to break the contract, each in one place. */
export const storeBugs = [
  'claims never raise the epoch',
  'anybody may claim',
  'a refused claim fences the owner',
  'a claim makes a row',
  'no fence',
  'only older epochs are fenced',
  'unclaimed runs can be written',
  'no conflict below',
  'no conflict above',
  'a conflict writes its row',
  'a fenced commit uses up a number',
  'writes after the end',
  'the end of one run ends its tree',
  'rootSeq per run',
  'rootSeq over all trees',
  'rootSeq with gaps between commits',
  'commits are interleaved',
  'text is normalised',
  'zero bytes are lost',
  'long text is cut',
  'the first row stays',
  'oldest first',
  'before is included',
  'before goes by age',
  'no default limit',
  'status of the first row',
  'an empty list of statuses means all',
  'root by prefix',
  'ids in any case',
  'after is included',
  'all trees by tree',
  'cursors are rootSeqs',
  'a page may show an event twice',
] as const;
export type StoreBug = (typeof storeBugs)[number];

const later = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A store in memory, as plain as can be, with a bug if one is asked for. */
export const referenceStore = (bug?: StoreBug): RunStore => {
  const owners = new Map<string, { ownerId: string; epoch: number }>();
  const rows = new Map<string, RunRow>();
  const firstRows = new Map<string, RunRow>();
  const log: ReadEvent[] = [];
  let lost = 0;

  const same = (a: string, b: string) => (bug === 'ids in any case' ? a.toLowerCase() === b.toLowerCase() : a === b);
  const inTree = (rootId: string, { rootId: its }: { rootId: string }) =>
    bug === 'root by prefix' ? its.startsWith(rootId) : same(its, rootId);
  const refuse = (code: string): never => {
    throw new FaultError(code, code);
  };
  const keep = (text: string) => {
    if (bug === 'text is normalised') return text.normalize();
    if (bug === 'zero bytes are lost') return text.replaceAll('\u0000', '');
    return bug === 'long text is cut' ? text.slice(0, 1_000_000) : text;
  };
  const place = (runId: string, rootId: string) => {
    const all = bug === 'rootSeq over all trees';
    const mine = log.filter(
      (event) => all || (bug === 'rootSeq per run' ? event.runId === runId : event.rootId === rootId),
    );
    return (mine.at(-1)?.rootSeq ?? 0) + lost + 1;
  };
  const check = ({ runId, rootId, epoch, expectedSeq, row }: Commit) => {
    const newest = owners.get(runId)?.epoch ?? (bug === 'unclaimed runs can be written' ? epoch : 0);
    const stale = bug === 'only older epochs are fenced' ? epoch < newest : epoch !== newest;
    if (stale && bug !== 'no fence') {
      if (bug === 'a fenced commit uses up a number') lost += 1;
      refuse('store.fenced');
    }
    const ended = [...rows.values()].some(
      ({ runId: id, rootId: root, status }) =>
        isEnded(status) && (id === runId || (bug === 'the end of one run ends its tree' && root === rootId)),
    );
    if (ended && bug !== 'writes after the end') refuse('store.ended');
    const has = log.filter((event) => event.runId === runId).length;
    const conflict =
      (has > expectedSeq && bug !== 'no conflict below') || (has < expectedSeq && bug !== 'no conflict above');
    if (conflict) {
      if (bug === 'a conflict writes its row') rows.set(runId, row);
      refuse('store.conflict');
    }
  };
  const push = (commit: Commit, event: Commit['events'][number]): ReadEvent => {
    const { runId, rootId } = commit;
    const stored = { ...event, rootSeq: place(runId, rootId), cursor: '' };
    if (stored.type === 'warning.raised') stored.message = keep(stored.message);
    stored.cursor = `${bug === 'cursors are rootSeqs' ? stored.rootSeq : log.length + 1}`;
    log.push(stored);
    return stored;
  };

  return {
    lasting: false,
    claim(runId, ownerId) {
      const held = owners.get(runId);
      if (held && held.ownerId !== ownerId && bug !== 'anybody may claim') {
        if (bug === 'a refused claim fences the owner') held.epoch += 1;
        return null;
      }
      const epoch = bug === 'claims never raise the epoch' ? 1 : (held?.epoch ?? 0) + 1;
      owners.set(runId, { ownerId, epoch });
      if (bug === 'a claim makes a row') rows.set(runId, { runId, rootId: runId } as RunRow);
      return { epoch };
    },
    async commit(commit) {
      check(commit);
      rows.set(commit.runId, bug === 'the first row stays' ? (rows.get(commit.runId) ?? commit.row) : commit.row);
      if (!firstRows.has(commit.runId)) firstRows.set(commit.runId, commit.row);
      if (bug === 'rootSeq with gaps between commits' && log.length > 0) lost += 1;
      const stored: ReadEvent[] = [];
      for (const event of commit.events) {
        if (bug === 'commits are interleaved') await later();
        stored.push(push(commit, event));
      }
      return stored;
    },
    get: (runId) => [...rows.values()].find((row) => same(row.runId, runId)),
    list: ({ status, rootId, limit = bug === 'no default limit' ? 1_000 : 100, before }: RunFilter = {}) => {
      const wanted = status === undefined ? undefined : typeof status === 'string' ? [status] : status;
      const all = [...rows.values()].map((row, index) => ({ row, index }));
      const newest = all
        .toSorted((a, b) => b.row.createdAt - a.row.createdAt || b.index - a.index)
        .map(({ row }) => row);
      if (bug === 'oldest first') newest.reverse();
      const from =
        before === undefined
          ? 0
          : newest.findIndex(({ runId }) => runId === before) + Number(bug !== 'before is included');
      const age = rows.get(before ?? '')?.createdAt ?? Number.POSITIVE_INFINITY;
      return newest
        .slice(bug === 'before goes by age' ? 0 : from)
        .filter((row) => bug !== 'before goes by age' || row.createdAt < age)
        .filter((row) => rootId === undefined || inTree(rootId, row))
        .filter((row) => {
          const { status: now } = (bug === 'status of the first row' ? firstRows.get(row.runId) : undefined) ?? row;
          if (bug === 'an empty list of statuses means all' && wanted?.length === 0) return true;
          return wanted === undefined || wanted.includes(now);
        })
        .slice(0, limit);
    },
    *events(query: EventQuery) {
      const least = bug === 'after is included' ? -1 : 0;
      if ('rootId' in query)
        yield* log.filter((event) => inTree(query.rootId, event) && event.rootSeq > (query.after ?? 0) + least);
      else if ('runId' in query)
        yield* log.filter((event) => same(event.runId, query.runId) && event.seq > (query.after ?? 0) + least);
      else {
        const all = bug === 'all trees by tree' ? log.toSorted((a, b) => a.rootId.localeCompare(b.rootId)) : log;
        const from =
          bug === 'cursors are rootSeqs'
            ? all.findIndex(({ cursor }) => cursor === query.after) + 1
            : Number(query.after ?? 0);
        const again = bug === 'a page may show an event twice' && from > 2 ? 1 : 0;
        yield* all.slice(from - again);
      }
    },
  };
};
