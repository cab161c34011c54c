/**
 * Brings sub-agents along from the files of an older layout: `subagents/runs.json`, `agents/<name>/agent.json`, and transcripts in
 * `agents/<name>/sessions/` and `sessions/`.
 */
import { redact } from '@troupe/protocol';
import type { Note } from './imported-config.ts';
import {
  filesOf,
  jsonIn,
  readRuns,
  type SubagentFiles,
  type SubagentSource,
  type Transcripts,
  transcriptsIn,
} from './imported-files.ts';
import { historyIn } from './imported-history.ts';
import { type Draft, profileIn, recordIn } from './imported-record.ts';
import { asTrees } from './imported-tree.ts';
import { isName } from './names.ts';
import type { SubagentRecord } from './subagent-record.ts';

export type ImportOptions = {
  /** Where the list is. Default `subagents/runs.json`. */
  runsFile?: string;
  /** Epoch milliseconds for those of which nobody wrote down when they were made. Default 0. */
  now?: number;
};

export type ImportedSubagents = {
  /** As if never run here; each with what it said before, where that is known. */
  records: SubagentRecord[];
  /** What was not taken over as it stood, and why; a sentence each. */
  notes: string[];
};

const agentsFolder = 'agents';
const sharedSessions = 'sessions';
const ownSessions = (name: string): string => `${agentsFolder}/${name}/sessions`;
const foldersOf = (home: string | undefined): string[] =>
  home === undefined ? [sharedSessions] : [ownSessions(home), sharedSessions];

/** Of several with one conversation or one name the latest has it. */
const withoutDoubles = (drafts: readonly Draft[], note: Note): Draft[] => {
  const bySession = new Map<string, Draft>();
  const byName = new Map<string, Draft>();
  for (const draft of drafts.toSorted((a, b) => b.record.createdAt - a.record.createdAt)) {
    const { agentId, name, sessionKey } = draft.record;
    const other = bySession.get(sessionKey);
    if (other) {
      note(`Sub-agent ${agentId} was left out: ${other.record.agentId} goes on with the same conversation.`);
      continue;
    }
    bySession.set(sessionKey, draft);
    if (name !== undefined && !byName.has(name)) byName.set(name, draft);
  }
  return drafts.flatMap((draft) => {
    const { name, ...record } = draft.record;
    if (bySession.get(record.sessionKey) !== draft) return [];
    const named = name === undefined ? draft : byName.get(name);
    if (named === draft || !named) return [draft];
    note(`Sub-agent ${record.agentId} has its name no longer: ${named.record.agentId} has it.`);
    return [{ ...draft, record: { ...record, config: { ...record.config, mode: 'run' } } }];
  });
};

/** Profiles of which the list knows nothing. */
const readProfiles = async (
  files: SubagentFiles,
  transcripts: Transcripts,
  listed: readonly Draft[],
  now: number,
  note: Note,
): Promise<Draft[]> => {
  const known = new Set(listed.flatMap(({ record }) => record.name ?? []));
  const ids = new Set(listed.map(({ record }) => record.agentId));
  const found: Draft[] = [];
  let names: string[] = [];
  try {
    names = await files.list(agentsFolder);
  } catch {
    note(`${agentsFolder} could not be listed: what is there was left out.`);
  }
  for (const name of names.toSorted()) {
    if (known.has(name)) continue;
    const path = `${agentsFolder}/${name}/agent.json`;
    let text: string | undefined;
    try {
      text = await files.read(path);
    } catch {
      note(`${path} could not be read, and was left out.`);
    }
    if (text === undefined) continue;
    const json = isName(name) ? jsonIn(text) : undefined;
    if (!json) {
      note(`${path} was left out: ${isName(name) ? 'it is not JSON' : 'names are letters, digits, _ and -'}.`);
      continue;
    }
    const folders = foldersOf(name);
    const draft = await profileIn(name, json.value, {
      now,
      note,
      isTaken: (id) => ids.has(id),
      sessionKeyOf: async (lastId) => {
        const last = lastId === null ? undefined : `subagent-${lastId}`;
        if (last !== undefined && (await transcripts.isIn(last, folders))) return last;
        const [only, ...others] = await transcripts.keysIn(ownSessions(name));
        return others.length === 0 ? only : undefined;
      },
    });
    if (!draft) continue;
    ids.add(draft.record.agentId);
    found.push(draft);
  }
  return found;
};

/** What it said, where that is known. */
const withHistory = async (
  { record, home, known }: Draft,
  transcripts: Transcripts,
  note: Note,
): Promise<SubagentRecord> => {
  const found = await transcripts.find(record.sessionKey, foldersOf(home));
  const { messages, notes } = historyIn(found?.text ?? '');
  for (const text of notes) note(`${found?.path}: ${text}`);
  const history = messages.length > 0 ? messages : known;
  return history.length > 0 ? { ...record, history } : record;
};

/**
 * Reads the sub-agents of an older layout, as records that a manager goes on with. Ids, session keys, parents, names and conversations
 * stay; states and results do not, but a result without a transcript stays as what was said. Files are only read. What is missing is
 * empty, and what is broken in one sub-agent is left out, with a note. Neither keys nor addresses of endpoints are taken over.
 *
 * @throws FaultError `subagents.unreadable` when the list is there and cannot be read as one. It is left as it is.
 */
export const readSubagentFiles = async (
  source: SubagentSource,
  { runsFile = 'subagents/runs.json', now = 0 }: ImportOptions = {},
): Promise<ImportedSubagents> => {
  const files = filesOf(source);
  const notes: string[] = [];
  const note: Note = (text) => void notes.push(text);
  const transcripts = transcriptsIn(files, note);
  const runs = await readRuns(files, runsFile, note);
  const listed = runs.flatMap(([key, value]) => recordIn(key, value, now, note) ?? []);
  const drafts = [...listed, ...(await readProfiles(files, transcripts, listed, now, note))];
  const records: SubagentRecord[] = [];
  for (const draft of withoutDoubles(drafts, note)) records.push(await withHistory(draft, transcripts, note));
  return redact({ records: asTrees(records, note), notes });
};
