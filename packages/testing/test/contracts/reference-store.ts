import {
  type Checkpoint,
  type Commit,
  type EventQuery,
  FaultError,
  isEnded,
  type Mail,
  type ReadEntry,
  type ReadEvent,
  type Receipt,
  type RunFilter,
  type RunRow,
  type RunStore,
} from '@troupe/protocol';
import { oldTrees } from './reference-pruning.ts';
import type { StoreBug } from './store-bugs.ts';

const later = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What a store leaves behind when it is closed. */
type Left = {
  claims: Map<string, { owner: string; epoch: number }>;
  leases: Map<string, number>;
  rows: Map<string, RunRow>;
  firstRows: Map<string, RunRow>;
  checkpoints: Map<string, Checkpoint>;
  journals: Map<string, ReadEntry[]>;
  mail: { sent: Mail; receipt?: Receipt }[];
  log: ReadEvent[];
  /** Events ever written, of each tree and of all. */
  written: Map<string, number>;
};

const nothing = (): Left => ({
  claims: new Map(),
  leases: new Map(),
  rows: new Map(),
  firstRows: new Map(),
  checkpoints: new Map(),
  journals: new Map(),
  mail: [],
  log: [],
  written: new Map(),
});

export type ReferenceStore = RunStore & { closed(): Left };

/** A store in memory, as plain as can be, with a bug if one is asked for. */
export const referenceStore = (now: () => number, bug?: StoreBug, left: Left = nothing()): ReferenceStore => {
  const { claims, leases, rows, firstRows, checkpoints, journals, mail, written } = left;
  let { log } = left;
  const pruned: RunRow[] = [];
  let lost = 0;
  let refusedNow = false;

  const same = (a: string, b: string) => (bug === 'ids in any case' ? a.toLowerCase() === b.toLowerCase() : a === b);
  const inTree = (rootId: string, { rootId: its }: { rootId: string }) =>
    bug === 'root by prefix' ? its.startsWith(rootId) : same(its, rootId);
  const refuse = (code: string, runId: string): never => {
    refusedNow = true;
    setImmediate(() => setImmediate(() => (refusedNow = false)));
    throw new FaultError(code, `Run ${runId}: ${code}`, bug === 'refusals name no run' ? {} : { runId });
  };
  const keep = (text: string) => {
    if (bug === 'text is normalised') return text.normalize();
    if (bug === 'zero bytes are lost') return text.replaceAll('\u0000', '');
    return bug === 'long text is cut' ? text.slice(0, 1_000_000) : text;
  };
  const count = (name: string): number => {
    const n = (written.get(name) ?? 0) + 1;
    written.set(name, n);
    return n;
  };
  const isFenced = ({ runId, owner, epoch }: Commit) => {
    const claim = claims.get(runId);
    if (bug === 'no fence') return false;
    if (bug === 'a lapsed lease fences' && (leases.get(owner) ?? Infinity) <= now()) return true;
    if (!claim) return epoch !== 1 && bug !== 'a first commit may have any epoch';
    if (bug === 'a first commit takes what is claimed' && !rows.has(runId)) return false;
    if (claim.owner !== owner && bug !== 'epochs fence, owners do not') return true;
    return bug === 'only older epochs are fenced' ? epoch < claim.epoch : epoch !== claim.epoch;
  };
  const check = (step: Commit, before: Commit | undefined) => {
    const { runId, rootId, owner, epoch, expectedSeq, row } = step;
    if (isFenced(step)) {
      if (bug === 'a fenced commit uses up a number') lost += 1;
      if (bug === 'a fenced commit claims') claims.set(runId, { owner, epoch });
      refuse('store.fenced', runId);
    }
    const known = bug === 'steps of a run are checked against what is stored' ? undefined : before;
    const ended = [
      ...rows.values(),
      ...(known && bug !== 'steps after the end of a run are taken' ? [known.row] : []),
    ].some(
      ({ runId: id, rootId: root, status }) =>
        isEnded(status) && (id === runId || (bug === 'the end of one run ends its tree' && root === rootId)),
    );
    if (ended && bug !== 'writes after the end') refuse('store.ended', runId);
    if (known && bug === 'steps of a run are not checked against each other') return;
    const has = known ? known.expectedSeq + known.events.length : log.filter((event) => event.runId === runId).length;
    const conflict =
      (has > expectedSeq && bug !== 'no conflict below') || (has < expectedSeq && bug !== 'no conflict above');
    if (conflict) {
      if (bug === 'a conflict writes its row') rows.set(runId, row);
      if (bug === 'a conflict writes its journal') hear([step]);
      if (bug === 'a conflict answers messages') answerMail([step]);
      if (bug === 'a conflict leaves messages') leaveMail([step]);
      if (bug === 'a conflict writes its checkpoint' && step.checkpoint) checkpoints.set(runId, step.checkpoint);
      refuse('store.conflict', runId);
    }
    if (bug !== 'a session is sent runs in any order' && isLate(row)) {
      if (bug === 'a run that comes too late writes its row') rows.set(runId, row);
      refuse('store.overtaken', runId);
    }
  };
  const isLate = ({ runId, sessionKey, after }: RunRow): boolean => {
    if (after === undefined) return false;
    if (rows.has(runId) && bug !== 'every step has to come after the newest') return false;
    const sent = [...rows.values()]
      .filter((row) => row.sessionKey === sessionKey || bug === "sessions are in each other's way")
      .filter((row) => row.after !== undefined || bug === 'a session counts runs that it was not sent')
      .filter(({ status }) => !isEnded(status) || bug !== 'a session forgets runs that have ended')
      .map((row) => row.runId);
    if (bug === 'a session begins with nothing' && sent.length === 0) return after !== null;
    if (bug === 'a session takes a run behind any of its own' && sent.includes(after ?? '')) return false;
    return sent.length > 0 && sent.at(-1) !== after;
  };
  const push = ({ runId, rootId }: Commit, event: Commit['events'][number]): ReadEvent => {
    const tree = bug === 'rootSeq over all trees' ? '' : bug === 'rootSeq per run' ? runId : rootId;
    const stored: ReadEvent = { ...event, rootSeq: count(`tree ${tree}`) + lost, cursor: '' };
    if (stored.type === 'warning.raised') stored.message = keep(stored.message);
    if (bug === 'times are made to grow') stored.at = Math.max(stored.at, log.at(-1)?.at ?? 0);
    const place = bug === 'cursors of pruned events are used again' ? log.length + 1 : count('all');
    stored.cursor = `${bug === 'cursors are rootSeqs' ? stored.rootSeq : place}`;
    log.push(stored);
    return stored;
  };
  const cut = (row: RunRow): RunRow => {
    if (bug === 'long jobs are cut')
      return { ...row, job: JSON.parse(keep(JSON.stringify(row.job).slice(0, 1_000_000) || '0')) };
    if (bug === 'the first job stays') return { ...row, job: rows.get(row.runId)?.job ?? row.job };
    if (bug === 'rows lose where they are placed') return { ...row, placed: undefined as never };
    if (bug === 'rows lose that they came first') return { ...row, after: row.after ?? (undefined as never) };
    if (bug === 'rows lose that each child is told of' && row.origin)
      return { ...row, origin: { ...row.origin, each: undefined as never } };
    if (bug !== 'rows lose what is rare') return row;
    const { made: _made, fingerprint: _fingerprint, origin: _origin, ...rest } = row;
    return rest;
  };
  const write = async (step: Commit): Promise<ReadEvent[]> => {
    const { runId, rootId, owner, epoch, events, row, checkpoint } = step;
    if (bug !== 'a first commit claims nothing' || claims.has(runId)) claims.set(runId, { owner, epoch });
    if (bug === 'writers have a lease for ever' && !leases.has(owner)) leases.set(owner, Infinity);
    if (events.length === 0 && bug === 'a commit without events is dropped') return [];
    if (events.length === 0 && bug === 'a commit without events uses up a number') count(`tree ${rootId}`);
    if (bug !== 'the first row stays' || !rows.has(runId)) rows.set(runId, cut(row));
    if (!firstRows.has(runId)) firstRows.set(runId, row);
    const slot = bug === 'one checkpoint for all runs' ? '' : runId;
    if (bug === 'the first checkpoint stays' ? checkpoint && !checkpoints.has(slot) : checkpoint)
      checkpoints.set(slot, checkpoint as Checkpoint);
    if (!checkpoint && bug === 'a commit without checkpoint drops it') checkpoints.delete(slot);
    if (isEnded(row.status) && bug === 'the end of one run drops all checkpoints') checkpoints.clear();
    if (isEnded(row.status) && bug !== 'checkpoints outlive the end') checkpoints.delete(slot);
    if (bug === 'rootSeq with gaps between commits' && log.length > 0) lost += 1;
    const stored: ReadEvent[] = [];
    for (const event of events) {
      if (bug === 'commits are interleaved') await later();
      stored.push(push(step, event));
    }
    return stored;
  };
  const answerMail = (steps: readonly Commit[]): void => {
    for (const { runId, receipts = [] } of steps)
      for (const { mailId, receipt } of receipts)
        for (const each of mail) {
          const isOthers = each.sent.sessionKey !== undefined && each.sent.runId !== runId;
          if (isOthers && bug === 'only the sender answers messages to sessions') continue;
          if (each.sent.id === mailId && (!each.receipt || bug === 'the last receipt counts')) each.receipt = receipt;
        }
  };
  const leaveMail = (steps: readonly Commit[]): void => {
    if (bug === 'steps leave no messages') return;
    for (const { events, row, mail: left = [] } of bug === 'only the first step leaves messages'
      ? steps.slice(0, 1)
      : steps)
      for (const sent of left) {
        if (events.length === 0 && bug === 'a commit without events leaves no messages') continue;
        if (isEnded(row.status) && bug === 'the end of a run leaves no messages') continue;
        if (sent.sessionKey === undefined && bug === 'messages of steps to runs are lost') continue;
        const known = mail.find((each) => each.sent.id === sent.id);
        if (known && bug === 'the last message of an id counts') known.sent = sent;
        const isNews = known?.receipt && bug === 'messages may be left again once they are answered';
        if (known && !isNews && bug !== 'messages of steps may be posted twice') continue;
        const isRaw = bug === 'messages of steps are given as they came';
        mail.push({ sent: isRaw ? sent : JSON.parse(JSON.stringify(sent)) });
      }
  };
  const isTo = (its: string, wanted: string | undefined): boolean => {
    if (wanted === undefined) return bug !== 'nobody hears every session';
    if (bug === 'sessions get messages to each other') return true;
    if (bug === 'session keys in any case') return its.toLowerCase() === wanted.toLowerCase();
    return bug === 'session keys by prefix' ? its.startsWith(wanted) : its === wanted;
  };
  const hear = (steps: readonly Commit[]): void => {
    let said = 0;
    for (const { runId, rootId, events, journal = [] } of steps) {
      said += events.length;
      if (events.length === 0 && bug === 'what led to no event is not kept') continue;
      const slot = bug === 'one journal for all runs' ? '' : runId;
      const whole = log.filter((event) => event.rootId === rootId).length;
      const all = steps.reduce((sum, step) => sum + step.events.length, 0);
      const rootSeq = bug === 'a journal knows only its own step' ? whole - all + said : whole;
      const entries = journal.map((entry) =>
        bug === 'the place of an entry is overwritten' ? { ...entry, rootSeq } : { rootSeq, ...entry },
      );
      journals.set(slot, [...(bug === 'the last journal stays' ? [] : (journals.get(slot) ?? [])), ...entries]);
    }
  };
  const commit = async (steps: readonly Commit[]): Promise<ReadEvent[]> => {
    const before = new Map<string, Commit>();
    const wanted: Commit[] = [];
    const early: ReadEvent[] = [];
    for (const step of steps) {
      try {
        if (bug !== 'only the first step is checked' || step === steps[0]) check(step, before.get(step.runId));
        wanted.push(step);
      } catch (error) {
        if (bug === 'a refused step among others leaves messages') leaveMail(wanted);
        if (bug === 'the first step is to blame') refuse((error as FaultError).code, steps[0]?.runId ?? '');
        if (bug !== 'steps that are refused are left out' || steps.length === 1) throw error;
      }
      before.set(step.runId, step);
      if (bug === 'steps are written one by one') early.push(...(await write(step)));
    }
    if (bug === 'steps are written one by one') return early;
    if (bug !== 'what is no JSON is refused when its step is written') JSON.stringify(wanted.map((step) => step.mail));
    if (bug === 'steps are written run by run') wanted.sort((a, b) => a.runId.localeCompare(b.runId));
    const first = new Map(wanted.toReversed().map((step) => [step.runId, step.row]));
    const stored: ReadEvent[] = [];
    for (const step of wanted)
      stored.push(
        ...(await write(
          bug === 'the first row of several counts' ? { ...step, row: first.get(step.runId) ?? step.row } : step,
        )),
      );
    hear(wanted);
    if (bug === 'messages are answered before they are left') answerMail(wanted);
    leaveMail(wanted);
    if (bug !== 'messages are answered before they are left') answerMail(wanted);
    if (bug === 'one refusal refuses those beside it') {
      await later();
      if (refusedNow) refuse('store.conflict', steps[0]?.runId ?? '');
    }
    return stored;
  };

  const goesWithSender = ({ receipt }: { receipt?: Receipt }): boolean => {
    if (!receipt) return bug === 'pruning takes messages to sessions along';
    if (receipt.status === 'rejected') return bug !== 'pruning leaves messages to sessions that were taken back';
    return bug !== 'pruning leaves answered messages to sessions';
  };
  /** What was answered only after its sender was forgotten. */
  const forgetLate = ({ olderThan, sentTo }: Parameters<RunStore['prune']>[0]) => {
    if (bug === 'what was answered after its sender was forgotten stays') return;
    const isMeant = ({ sent: { sessionKey, runId, at } }: (typeof mail)[number]): boolean => {
      if (sessionKey === undefined || rows.has(runId)) return false;
      if (at >= olderThan && bug !== 'what no run has sent is forgotten once it is answered') return false;
      return (
        sentTo === undefined || sessionKey === sentTo || bug === 'pruning a session takes what was left for others'
      );
    };
    for (const each of mail.filter(isMeant)) {
      const takesAll = bug === 'what was answered after its sender was forgotten takes the rest along';
      if (each.receipt || takesAll) mail.splice(mail.indexOf(each), 1);
    }
  };
  const forget = (isGone: (about: { runId: string; rootId: string }) => boolean) => {
    for (const row of [...rows.values()].filter(isGone)) {
      const { runId, rootId } = row;
      if (bug === 'brings pruned rows back') pruned.push(row);
      if (bug !== 'pruning leaves rows') rows.delete(runId);
      if (bug !== 'pruning leaves checkpoints') checkpoints.delete(runId);
      else checkpoints.set(runId, { runId });
      if (bug !== 'pruning leaves journals') journals.delete(runId);
      if (bug !== 'pruning leaves messages')
        for (const each of mail.filter(({ sent }) => sent.runId === runId && sent.sessionKey === undefined))
          mail.splice(mail.indexOf(each), 1);
      for (const each of mail.filter(({ sent }) => sent.runId === runId && sent.sessionKey !== undefined))
        if (goesWithSender(each)) mail.splice(mail.indexOf(each), 1);
      if (bug !== 'pruning leaves claims') claims.delete(runId);
      if (bug !== 'pruning leaves numbers') written.delete(`tree ${rootId}`);
    }
    if (bug !== 'pruning leaves events') log = log.filter((event) => !isGone(event));
    if (bug === 'pruning moves cursors') log = log.map((event, index) => ({ ...event, cursor: `${index + 1}` }));
  };
  const prune: RunStore['prune'] = (options) => {
    forgetLate(options);
    const { isOld, count: found } = oldTrees([...rows.values()], options, bug);
    forget(isOld);
    return found;
  };

  const isFree = (runId: string, owner: string) => {
    const claim = claims.get(runId);
    if (!claim || bug === 'anybody may claim') return true;
    if (claim.owner === owner) return bug !== 'nobody may claim again';
    const until = leases.get(claim.owner) ?? 0;
    return until <= now() && (bug !== 'leases run for ever' || until === 0);
  };

  return {
    lasting: bug !== 'does not last',
    claim(runId, owner, { leaseMs }) {
      const claim = claims.get(runId);
      if (!isFree(runId, owner)) {
        if (claim && bug === 'a refused claim fences the owner') claim.epoch += 1;
        if (claim && bug === 'a refused claim prolongs a lease') leases.set(claim.owner, now() + leaseMs);
        return null;
      }
      const lease = bug === 'leases run twice as long' ? 2 * leaseMs : leaseMs;
      leases.set(owner, (bug === 'leases are measured by another clock' ? performance.now() : now()) + lease);
      const epoch = bug === 'claims never raise the epoch' ? 1 : (claim?.epoch ?? 0) + 1;
      claims.set(runId, { owner, epoch });
      if (bug === 'a claim makes a row') rows.set(runId, { runId, rootId: runId } as RunRow);
      return { epoch };
    },
    holder(runId) {
      const owner = claims.get(runId)?.owner;
      if (owner === undefined || bug === 'nobody holds a run') return null;
      if ((leases.get(owner) ?? 0) <= now() && bug !== 'a holder outlives its lease') return null;
      return isEnded(rows.get(runId)?.status ?? 'running') && bug !== 'a run that has ended is held' ? null : owner;
    },
    renew(owner, { leaseMs }) {
      if (bug === 'renewing does nothing') return;
      if (bug === 'renewing prolongs every lease') for (const each of leases.keys()) leases.set(each, now() + leaseMs);
      for (const claim of claims.values())
        if (claim.owner === owner && bug === 'renewing raises the epoch') claim.epoch += 1;
      const last = [...claims.values()].at(-1)?.owner ?? owner;
      leases.set(bug === 'renewing prolongs the lease of the last claim' ? last : owner, now() + leaseMs);
    },
    release(owner, runIds) {
      if (bug === 'releasing does nothing') return;
      if (runIds?.length === 0 && bug === 'releasing nothing gives every claim back') return void leases.delete(owner);
      if (runIds && bug !== 'single claims are not given back') {
        for (const runId of runIds) {
          const claim = claims.get(runId);
          if (!claim || (claim.owner !== owner && bug !== 'anybody gives claims back')) continue;
          if (rows.has(runId) || bug === 'claims on what is not there stay') claims.set(runId, { ...claim, owner: '' });
          else claims.delete(runId);
        }
        return;
      }
      if (runIds) return;
      if (bug === 'a release fails when there is nothing to release' && !leases.has(owner))
        refuse('store.unknown', owner);
      if (bug === 'releasing gives everything back') leases.clear();
      if (bug === 'releasing gives one claim back') {
        const [runId] = [...claims].find(([, claim]) => claim.owner === owner) ?? [''];
        const claim = claims.get(runId);
        if (claim) claims.set(runId, { ...claim, owner: '' });
      } else leases.delete(owner);
    },
    commit,
    checkpoint(runId) {
      const found = checkpoints.get(bug === 'one checkpoint for all runs' ? '' : runId);
      if (!found) return (bug === 'no checkpoint is null' ? null : undefined) as undefined;
      if (bug === 'checkpoints are given as they came') return structuredClone(found);
      if (bug === 'checkpoints lose empty text')
        return JSON.parse(JSON.stringify(found, (_key, value) => (value === '' ? null : value)));
      const text = JSON.stringify(found);
      if (bug !== 'checkpoints are given away') return JSON.parse(text);
      const given = JSON.parse(text);
      checkpoints.set(runId, given);
      return given;
    },
    post(sent) {
      const isKnown = mail.some((each) => each.sent.id === sent.id);
      if (isKnown && bug !== 'a message is posted twice') return;
      mail.push({ sent: bug === 'messages are given as they came' ? sent : JSON.parse(JSON.stringify(sent)) });
    },
    withdraw(mailId, receipt) {
      const sent = mail.find((each) => each.sent.id === mailId);
      if (bug === 'a message cannot be taken back') return sent?.receipt ?? receipt;
      if (sent?.sent.sessionKey !== undefined && bug === 'messages to sessions cannot be taken back') return receipt;
      if (sent && bug === 'what was answered is taken back') sent.receipt = receipt;
      if (sent) sent.receipt ??= receipt;
      return sent?.receipt ?? receipt;
    },
    inbox: (owner) =>
      (bug === 'messages are newest first' ? mail.toReversed() : mail)
        .filter(({ receipt }) => !receipt || bug === 'answered messages stay')
        .filter(({ sent }) => claims.get(sent.runId)?.owner === owner || bug === 'messages go to everybody')
        .map(({ sent }) => sent)
        .filter(
          ({ sessionKey }) =>
            sessionKey === undefined || bug === 'messages to sessions go to whoever has claimed the sender',
        )
        .slice(0, bug === 'long reads of messages are cut' ? 100 : undefined),
    sessionInbox(wanted) {
      const waiting = mail
        .filter(({ receipt }) => !receipt || bug === 'answered messages to sessions stay')
        .map(({ sent }) => sent)
        .filter(({ sessionKey = '' }) => isTo(sessionKey, wanted))
        .filter(({ sessionKey }) => sessionKey !== undefined || bug === 'sessions get messages to runs');
      if (bug === 'messages to sessions are newest first') waiting.reverse();
      const by = (keyOf: (sent: Mail) => string) => waiting.sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
      if (bug === 'messages to sessions are sorted by id') by(({ id }) => id);
      if (bug === 'messages to every session go by session') by(({ sessionKey = '' }) => sessionKey);
      return waiting.slice(0, bug === 'long reads of messages to sessions are cut' ? 100 : undefined);
    },
    receipt: (mailId) => mail.find(({ sent }) => sent.id === mailId)?.receipt,
    journal(runId, from = 0) {
      const all = journals.get(bug === 'one journal for all runs' ? '' : runId) ?? [];
      const isWanted = ({ seq }: { seq: number }): boolean =>
        bug === 'a part of a journal misses its first step' ? from === 0 || seq > from : seq >= from;
      const found = bug === 'journals are given whole' ? all : all.filter(isWanted);
      if (bug === 'journals are given as they came') return found;
      if (bug === 'long reads of journals are cut') return found.slice(0, 1_000);
      return JSON.parse(JSON.stringify(found)) as ReadEntry[];
    },
    get: (runId) => [...rows.values()].find((row) => same(row.runId, runId)),
    quotas(keys) {
      const has = (key: string) =>
        keys === undefined ||
        bug === 'quotas are not looked for' ||
        keys.some((wanted) =>
          bug === 'quota in any case' ? wanted.toLowerCase() === key.toLowerCase() : wanted === key,
        );
      const taken = [...rows.values()].flatMap((row) => (row.quota === undefined ? [] : { ...row, key: row.quota }));
      return [...Map.groupBy(taken, ({ key }) => key)]
        .filter(([key]) => has(key))
        .map(([key, all]) => ({
          key,
          completed: all.filter(({ status }) =>
            bug === 'every end completes' ? isEnded(status) : status === 'completed',
          ).length,
          holders: all
            .filter(({ status }) => !isEnded(status) || bug === 'places are held for ever')
            .filter(({ detached }) => !detached || bug === 'runs that were let go hold their place')
            .map(({ runId }) => runId),
        }));
    },
    list(filter: RunFilter = {}) {
      const { status, rootId, sentTo, unitsOf, limit = bug === 'no default limit' ? 1_000 : 100, before } = filter;
      const wanted = status === undefined ? undefined : typeof status === 'string' ? [status] : status;
      const newest = [...rows.values()].reverse();
      if (bug === 'oldest first') newest.reverse();
      const from =
        before === undefined ||
        (wanted && bug === 'pages of a status begin again') ||
        (rootId !== undefined && bug === 'pages of a tree begin again')
          ? 0
          : newest.findIndex(({ runId }) => runId === before) + Number(bug !== 'before is included');
      const age = rows.get(before ?? '')?.createdAt ?? Number.POSITIVE_INFINITY;
      const wasSent = ({ sessionKey, after }: RunRow) =>
        sentTo === undefined ||
        bug === 'sessions are ignored' ||
        (sessionKey === sentTo && (after !== undefined || bug === 'sessions hold all their runs'));
      const isUnit = ({ sessionKey, after, origin, status: its }: RunRow): boolean => {
        if (unitsOf === undefined || bug === 'units are ignored') return true;
        if (isEnded(its) && bug === 'units that have ended are none') return false;
        const asked =
          bug === 'units are of the session that they were sent to' ? sessionKey : (origin?.sessionKey ?? sessionKey);
        if (asked !== unitsOf && bug !== 'units are of any session') return false;
        if (bug === 'units are what a session was sent') return after !== undefined;
        return origin !== undefined || bug === 'units are all runs of a session';
      };
      return newest
        .slice(bug === 'before goes by age' ? 0 : from)
        .filter((row) => bug !== 'before goes by age' || row.createdAt < age)
        .filter(
          (row) =>
            rootId === undefined ||
            (sentTo !== undefined && bug === 'sessions list runs of any tree') ||
            inTree(rootId, row),
        )
        .filter(wasSent)
        .filter(isUnit)
        .filter((row) => {
          const { status: its } = (bug === 'status of the first row' ? firstRows.get(row.runId) : undefined) ?? row;
          if (bug === 'an empty list of statuses means all' && wanted?.length === 0) return true;
          if (bug === 'sessions list runs of any status' && sentTo !== undefined) return true;
          return wanted === undefined || wanted.includes(its);
        })
        .slice(
          0,
          unitsOf !== undefined && bug === 'units are listed without limit'
            ? undefined
            : limit || (bug === 'no limit is the usual one' ? 100 : limit),
        );
    },
    *events(query: EventQuery) {
      const least = bug === 'after is included' ? -1 : 0;
      const sorted = bug === 'events are sorted by time' ? log.toSorted((a, b) => a.at - b.at) : log;
      if ('rootId' in query)
        yield* sorted.filter((event) => inTree(query.rootId, event) && event.rootSeq > (query.after ?? 0) + least);
      else if ('runId' in query)
        yield* sorted.filter((event) => same(event.runId, query.runId) && event.seq > (query.after ?? 0) + least);
      else {
        const all = bug === 'all trees by tree' ? sorted.toSorted((a, b) => a.rootId.localeCompare(b.rootId)) : sorted;
        const from =
          bug === 'cursors are rootSeqs' || bug === 'all trees by tree'
            ? all.findIndex(({ cursor }) => cursor === query.after) + 1
            : all.filter(({ cursor }) => Number(cursor) <= Number(query.after ?? 0)).length;
        const again = bug === 'a page may show an event twice' && from > 2 ? 1 : 0;
        yield* all.slice(from - again, bug === 'long reads of events are cut' ? from + 1_000 : undefined);
      }
    },
    cursor() {
      if (bug === 'the cursor counts what is left') return `${log.length}`;
      const [behind, ahead] = [
        bug === 'the cursor is before the last event',
        bug === 'the cursor is after the next event',
      ];
      return `${(written.get('all') ?? 0) + Number(ahead) - Number(behind)}`;
    },
    prune,
    closed() {
      if (bug !== 'keeps its claims when it is closed') leases.clear();
      if (bug === 'forgets checkpoints') checkpoints.clear();
      if (bug === 'forgets journals') journals.clear();
      if (bug === 'forgets messages') mail.length = 0;
      const others = mail.filter(({ sent }) => sent.sessionKey === undefined);
      if (bug === 'forgets messages to sessions') mail.splice(0, mail.length, ...others);
      for (const row of bug === 'forgets units' ? rows.values() : []) delete row.origin;
      if (bug === 'forgets epochs') claims.clear();
      for (const row of pruned) rows.set(row.runId, row);
      if (bug === 'counts cursors from what is left') written.set('all', log.length);
      return { ...left, log };
    },
  };
};
