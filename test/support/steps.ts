import type { Commit, NewEvent, RunRow } from '@troupe/protocol';

const used = { inputTokens: 0, outputTokens: 0 };
const usage = { total: used, own: used, byModel: {}, turns: 0, toolCalls: 0, activeMs: 0 };

type About = Pick<Commit, 'runId'> &
  Partial<Omit<Commit, 'events' | 'row'>> & { row?: Partial<RunRow>; events?: readonly object[] };

/** A step of a run with one event, unless others are given by their type and data. */
export const stepOf = ({
  runId,
  rootId = runId,
  owner = 'owner',
  epoch = 1,
  expectedSeq = 0,
  row,
  events = [{ type: 'warning.raised', code: 'said', message: `${runId} ${expectedSeq + 1}` }],
  ...rest
}: About): Commit => ({
  runId,
  rootId,
  owner,
  epoch,
  expectedSeq,
  events: events.map((event, i) => {
    const seq = expectedSeq + i + 1;
    return { id: `${runId}:${seq}`, seq, runId, rootId, agent: 'lead', depth: 0, at: seq, ...event } as NewEvent;
  }),
  row: {
    runId,
    rootId,
    agent: 'lead',
    model: 'm',
    depth: 0,
    job: { input: 'go' },
    status: 'running',
    usage,
    createdAt: 0,
    ...row,
  },
  ...rest,
});

/** The last step of a run. */
export const lastStepOf = (about: Omit<About, 'events' | 'row'>, endedAt = 1): Commit =>
  stepOf({
    ...about,
    row: { status: 'completed', exitReason: 'answered', endedAt },
    events: [{ type: 'run.completed', text: 'done', usage }],
  });
