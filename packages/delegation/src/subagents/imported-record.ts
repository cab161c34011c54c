/** One sub-agent of the older layout as a record of ours. What it is not taken over for is said in a note. */
import { hashOf, JSONValue, type Message, redact } from '@troupe/protocol';
import * as z from 'zod';
import { configIn, type Fields, isFields, type Note } from './imported-config.ts';
import { isName } from './names.ts';
import type { SubagentRecord } from './subagent-record.ts';

/** What was read of one sub-agent, before it is known what it said. */
export type Draft = {
  record: SubagentRecord;
  /** The name of the folder that holds its own transcripts. */
  home?: string;
  /** What is known to have been said, for where there is no transcript. */
  known: Message[];
};

const optionalText = z.string().nullish();
const optionalTime = z.number().nullish();

const Stored = z.object({
  agent_id: z.string().refine(isName),
  parent_id: optionalText,
  label: optionalText,
  task: optionalText,
  state: z.enum(['pending', 'running', 'completed', 'failed', 'cancelled']).nullish(),
  result: optionalText,
  frozen_result_text: optionalText,
  config: z.custom<Fields>(isFields).nullish(),
  session_key: optionalText,
  spawner_session_key: optionalText,
  spawner_channel: optionalText,
  spawner_metadata: z.record(z.string(), JSONValue).nullish(),
  spawner_reply_to: optionalText,
  created_at: optionalTime,
  started_at: optionalTime,
  completed_at: optionalTime,
  spawn_mode: optionalText,
  agent_name: optionalText,
});

/** Besides what a configuration holds. */
const Profile = z.looseObject({
  created_at: optionalTime,
  last_active_at: optionalTime,
  last_run_agent_id: optionalText,
  agent_id: optionalText,
  session_key: optionalText,
});

const full = (text: unknown): string | null => (typeof text === 'string' && text.trim() !== '' ? text : null);
const msOf = (seconds: number | null | undefined): number | undefined =>
  seconds == null ? undefined : Math.round(seconds * 1_000);

/** Which fields are not as they should be. Not what is in them: that may be anything. */
const fieldsOf = (error: z.ZodError): string =>
  [...new Set(error.issues.map(({ path }) => String(path[0] ?? 'all of it')))].join(', ');

/** How much of a task a label shows. */
const labelChars = 60;

/**
 * A record of the list; `undefined`, with a note, where it is none.
 *
 * @param now For when it does not say when it was made.
 */
export const recordIn = (key: string, value: unknown, now: number, note: Note): Draft | undefined => {
  const given = isFields(value) ? { agent_id: key, ...value } : value;
  const found = Stored.safeParse(given);
  if (!found.success || found.data.agent_id !== key) {
    const why = found.success ? 'agent_id' : fieldsOf(found.error);
    note(`Sub-agent ${key.slice(0, labelChars)} was left out, for it is not as it should be: ${why}.`);
    return undefined;
  }
  const stored = found.data;
  const say: Note = (text) => note(`Sub-agent ${key}: ${text}`);
  const config = configIn({ spawn_mode: stored.spawn_mode, ...stored.config }, say, 'run');
  const name = stored.config?.agent_name ?? stored.agent_name;
  const isNamed = config.mode === 'session' && isName(name);
  if (config.mode === 'session' && !isNamed) say('it has no name to go on under, so it is one for a single task.');
  const state = stored.state ?? 'pending';
  if (state === 'pending' || state === 'running')
    say(`it was ${state} when this was written: that run is gone, and can be asked for again.`);

  const createdAt = msOf(stored.created_at) ?? now;
  const task = full(stored.task);
  const result = full(stored.result) ?? full(stored.frozen_result_text);
  return {
    record: {
      agentId: key,
      ...(isNamed && { name }),
      parentId: full(stored.parent_id),
      depth: 1,
      label: full(stored.label) ?? redact(task)?.slice(0, labelChars) ?? key,
      config: isNamed ? config : { ...config, mode: 'run' },
      sessionKey: full(stored.session_key) ?? `subagent-${key}`,
      requester: {
        sessionKey: full(stored.spawner_session_key),
        channel: full(stored.spawner_channel),
        metadata: stored.spawner_metadata ?? {},
        replyTo: full(stored.spawner_reply_to),
      },
      delivered: [],
      createdAt,
      updatedAt: Math.max(createdAt, msOf(stored.started_at) ?? 0, msOf(stored.completed_at) ?? 0),
    },
    ...(isNamed && { home: name }),
    known:
      state === 'completed' && task !== null && result !== null
        ? [
            { role: 'user', content: task },
            { role: 'assistant', content: result },
          ]
        : [],
  };
};

/** A stored profile; `undefined`, with a note, where it is none. */
export const profileIn = async (
  name: string,
  value: unknown,
  about: {
    /** For when it does not say when it was made. */
    now: number;
    /** Whether an id belongs to another. */
    isTaken: (agentId: string) => boolean;
    /** Finds the conversation of a profile that does not say which one it is. */
    sessionKeyOf: (lastId: string | null) => Promise<string | undefined>;
    note: Note;
  },
): Promise<Draft | undefined> => {
  const found = Profile.safeParse(value);
  if (!found.success) {
    about.note(`Profile ${name} was left out, for it is not as it should be: ${fieldsOf(found.error)}.`);
    return undefined;
  }
  const profile = found.data;
  const lastId = full(profile.last_run_agent_id) ?? full(profile.agent_id);
  const config = configIn(
    { ...profile, spawn_mode: 'session' },
    (text) => about.note(`Profile ${name}: ${text}`),
    'session',
  );
  // The same each time: who is brought along twice is the same one.
  const made = `sub_${hashOf(`profile ${name}`).slice(0, 10)}`;
  const agentId = isName(lastId) && !about.isTaken(lastId) ? lastId : made;
  const createdAt = msOf(profile.created_at) ?? about.now;
  return {
    record: {
      agentId,
      name,
      parentId: null,
      depth: 1,
      label: name,
      config,
      sessionKey: full(profile.session_key) ?? (await about.sessionKeyOf(lastId)) ?? `subagent-${agentId}`,
      requester: { sessionKey: null, channel: null, metadata: {}, replyTo: null },
      delivered: [],
      createdAt,
      updatedAt: Math.max(createdAt, msOf(profile.last_active_at) ?? 0),
    },
    home: name,
    known: [],
  };
};
