import { type Activation, type Clock, FaultError, type Placement, type RunExecutor } from '@troupe/protocol';

/** Ways to break the contract of a Placement, each in one place. */
export const placementBugs = [
  'no name',
  'dead workers are never noticed',
  'every dispatch counts',
  'what nobody serves yet is lost',
  'what is dispatched while it is executed is lost',
  'a run is executed twice at once',
  'done runs come back',
  'idle runs come back',
  'fenced runs come back',
  'runs that are gone come back',
  'runs that were idle never come back',
  'held runs are over',
  'held runs come back at once',
  'held runs cannot be had sooner',
  'held runs come back twice',
  'rejected runs are over',
  'rejected runs come back at once',
  'rejected runs come back at the same pace',
  'an executor that throws ends everything',
  'moments are not waited for',
  'moments that have passed are waited for',
  'the first moment counts',
  'the last moment counts',
  'one at a time',
  'any number at a time',
  'as many of each queue',
  'every server serves everything',
  'servers serve their first queue',
  'one server has everything',
  'two servers execute the same',
  'workers have no names',
  'ids in any case',
  'ids are trimmed',
  'ids are cut',
  'ids are made well-formed',
  'drained servers go on',
  'drains abort nothing',
  'drains do not wait',
  'drains wait for ever',
  'what was interrupted is over',
  'what is executed still is over',
  'what has ended in a drain comes back',
  'late endings count',
  'any concurrency will do',
  'no queue will do',
  'any moment will do',
  'closing aborts nothing',
  'closed placements are dispatched to',
  'closed placements are served',
  'closing is done once',
] as const;
export type PlacementBug = (typeof placementBugs)[number];

type Item = { id: string; queue: string; from: number; tries: number };
type Work = { item: Item; abort: AbortController; isOver: boolean; ended: Promise<void> };
type Server = { executor: RunExecutor; queues: readonly string[]; room: number; name: string; works: Set<Work> };

/** A placement as plain as can be, with a bug if one is asked for. */
export const referencePlacement = (clock: Clock, bug?: PlacementBug): Placement => {
  let items: Item[] = [];
  const servers = new Set<Server>();
  let isClosed = false;
  const is = (one: PlacementBug): boolean => bug === one;
  const refuse = (code: string): never => {
    throw new FaultError(`placement.${code}`, 'This cannot be.');
  };

  const add = (id: string, queue: string, from: number, tries = 0): void => {
    const works = [...servers].flatMap((server) => [...server.works]);
    if (is('what is dispatched while it is executed is lost') && works.some(({ item }) => item.id === id)) return;
    if (is('what nobody serves yet is lost') && servers.size === 0) return;
    const known = is('every dispatch counts')
      ? undefined
      : items.find((item) => item.id === id && item.queue === queue);
    if (!known) items.push({ id, queue, from, tries });
    else if (is('the last moment counts')) known.from = from;
    else if (!is('the first moment counts') && !(is('held runs cannot be had sooner') && known.tries < 0))
      known.from = Math.min(known.from, from);
    queueMicrotask(look);
  };

  const serves = ({ queues }: Server, queue: string): boolean => {
    if (is('every server serves everything')) return true;
    return is('servers serve their first queue') ? queues[0] === queue : queues.includes(queue);
  };

  const hasRoom = ({ works, room }: Server, queue: string): boolean => {
    if (is('any number at a time')) return true;
    if (is('one at a time')) return works.size === 0;
    if (is('as many of each queue')) return [...works].filter(({ item }) => item.queue === queue).length < room;
    return works.size < room;
  };

  const isBusyWith = ({ id, queue }: Item): boolean =>
    !is('a run is executed twice at once') &&
    [...servers].some(({ works }) => [...works].some(({ item }) => item.id === id && item.queue === queue));

  const look = (): void => {
    const now = clock.now();
    for (const item of [...items]) {
      if (item.from > now && !is('moments are not waited for')) clock.setTimeout(look, item.from - now);
      else if (!isBusyWith(item)) offer(item);
    }
  };

  const offer = (item: Item): void => {
    let able = [...servers].filter((server) => serves(server, item.queue) && hasRoom(server, item.queue));
    if (is('one server has everything')) able = able.filter((server) => server === [...servers][0]);
    if (!is('two servers execute the same')) able = able.slice(0, 1);
    if (able.length > 0) items = items.filter((other) => other !== item);
    for (const server of able) begin(server, item);
  };

  const idOf = ({ id }: Item): string => {
    if (is('ids in any case')) return id.toLowerCase();
    if (is('ids are trimmed')) return id.trim();
    if (is('ids are cut')) return id.slice(0, 255);
    return is('ids are made well-formed') ? id.toWellFormed() : id;
  };

  const execute = async ({ executor, name }: Server, { item, abort }: Work): Promise<Activation | 'rejected'> => {
    const options = { signal: abort.signal, workerId: is('workers have no names') ? '' : name };
    const run = (): Promise<Activation> => executor.run(idOf(item), options);
    const running = is('an executor that throws ends everything') ? run() : Promise.resolve().then(run);
    return running.catch(() => 'rejected');
  };

  const begin = (server: Server, item: Item): void => {
    const work: Work = { item, abort: new AbortController(), isOver: false, ended: Promise.resolve() };
    server.works.add(work);
    work.ended = execute(server, work)
      .then((outcome) => {
        server.works.delete(work);
        if (!work.isOver || is('late endings count')) settle(work, outcome);
        look();
      })
      .catch(() => {});
  };

  const comeBack: Partial<Record<Activation, PlacementBug>> = {
    done: 'done runs come back',
    idle: 'idle runs come back',
    fenced: 'fenced runs come back',
    gone: 'runs that are gone come back',
  };
  const never = new Set<string>();

  const settle = ({ item: { id, queue, tries }, abort }: Work, outcome: Activation | 'rejected'): void => {
    const now = clock.now();
    if (outcome === 'rejected') {
      const pause = is('rejected runs come back at once') ? 0 : 1_000;
      const growth = is('rejected runs come back at the same pace') ? 1 : 2 ** tries;
      if (!is('rejected runs are over')) add(id, queue, now + pause * growth, tries + 1);
    } else if (outcome === 'held') {
      const from = now + (is('held runs come back at once') ? 0 : 2_000);
      if (!is('held runs are over')) add(id, queue, from, is('held runs cannot be had sooner') ? -1 : 0);
      if (is('held runs come back twice')) clock.setTimeout(() => add(id, queue, now), 3_000);
    } else if (abort.signal.aborted) {
      if (outcome === 'idle' ? !is('what was interrupted is over') : is('what has ended in a drain comes back'))
        add(id, queue, now);
    } else {
      if (outcome === 'idle' && is('runs that were idle never come back')) never.add(id);
      if (bug !== undefined && comeBack[outcome] === bug) add(id, queue, now);
    }
  };

  const drain = async (server: Server, ms: number): Promise<void> => {
    if (!is('drained servers go on')) server.room = 0;
    const works = [...server.works];
    for (const { abort } of works) if (!is('drains abort nothing')) abort.abort();
    const all = Promise.all(works.map(({ ended }) => ended));
    const late = new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));
    if (is('drains wait for ever')) await all;
    else if (ms > 0 && !is('drains do not wait')) await Promise.race([all, late]);
    for (const work of server.works) work.isOver = true;
    if (!is('drained servers go on')) servers.delete(server);
    for (const { item } of server.works)
      if (!is('what is executed still is over')) add(item.id, item.queue, clock.now());
  };

  return {
    name: is('no name') ? '' : 'reference',
    caps: { maxDetectMs: is('dead workers are never noticed') ? Number.POSITIVE_INFINITY : 0 },
    async dispatch({ runId, queue, notBefore = 0 }) {
      if (isClosed && !is('closed placements are dispatched to')) refuse('closed');
      if (Number.isNaN(notBefore) && !is('any moment will do')) refuse('invalid');
      if (never.has(runId)) return;
      const hasPassed = notBefore > 0 && notBefore < clock.now();
      add(runId, queue, hasPassed && is('moments that have passed are waited for') ? notBefore + 60_000 : notBefore);
    },
    async serve(executor, { queues, concurrency, workerId }) {
      if (isClosed && !is('closed placements are served')) refuse('closed');
      if (!(Number.isInteger(concurrency) && concurrency > 0) && !is('any concurrency will do')) refuse('invalid');
      if (queues.length === 0 && !is('no queue will do')) refuse('invalid');
      const server: Server = { executor, queues, room: concurrency, name: workerId, works: new Set() };
      servers.add(server);
      queueMicrotask(look);
      return { drain: (ms) => drain(server, ms) };
    },
    async close() {
      if (isClosed && is('closing is done once')) refuse('closed');
      isClosed = true;
      for (const server of servers) if (!is('closing aborts nothing')) await drain(server, 0);
    },
  };
};
