/**
 * The rehearsal model as a team of long-lived sub-agents: a planner that spawns one by name and goes on with it by that name, that one,
 * which writes down what it was asked and has it reviewed, and its reviewer. What they say comes from their conversations alone.
 */
import {
  type ChatMessage,
  type ChatRequest,
  hasTool,
  objectIn,
  objectsIn,
  type PastCall,
  pastCalls,
  type Reply,
  saidBy,
  textOf,
} from './conversation.ts';
import { rehearsalNotice } from './lead.ts';

const file = 'work.md';
const name = 'backend';

const isSubagent = (request: ChatRequest): boolean => saidBy(request, 'system').includes('# Subagent Context');

/** Whether somebody of a team is asked. */
export const isOfTeam = (request: ChatRequest): boolean =>
  hasTool(request, 'spawn') || isSubagent(request) || pastCalls(request).some((call) => call.name === 'spawn');

export const teamReply = (request: ChatRequest): Reply => {
  if (!isSubagent(request)) return plannerReply(request);
  return hasTool(request, 'spawn') ? builderReply(request) : reviewerReply(request);
};

/** What sub-agents have come to is left as messages. */
const isResult = (message: ChatMessage): boolean =>
  message.role === 'user' && textOf(message).startsWith('[Sub-agent ');
const isTask = (message: ChatMessage): boolean => message.role === 'user' && !isResult(message);

/** What was said before the last task, and since. */
const atTask = (request: ChatRequest): { before: ChatRequest; now: ChatRequest; task: string } => {
  const { messages } = request;
  const from = Math.max(0, messages.findLastIndex(isTask));
  const [task] = messages.slice(from);
  return {
    before: { ...request, messages: messages.slice(0, from) },
    now: { ...request, messages: messages.slice(from) },
    task: task ? textOf(task) : '',
  };
};

const spawnCalls = (request: ChatRequest): PastCall[] => pastCalls(request).filter((call) => call.name === 'spawn');
const spawn = (input: Record<string, unknown>): Reply => ({ calls: [{ name: 'spawn', arguments: input }] });

/** Results without the lines above them: of whom they are, and which run. */
const bodiesIn = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^(\[Sub-agent |task_id:|run_id:)/.test(line))
    .join('\n')
    .trim();

const plannerReply = (request: ChatRequest): Reply => {
  const { before, now, task } = atTask(request);
  const [asked] = spawnCalls(now);
  const isKnown = spawnCalls(before).some((call) => call.arguments.agent_name === name);
  if (!asked && isKnown) return spawn({ action: 'resume', agent_name: name, task });
  if (!asked)
    return spawn({
      action: 'spawn',
      role: 'backend',
      agent_name: name,
      spawn_mode: 'session',
      routing_mode: 'orchestrated',
      task,
    });
  const { error } = objectIn(asked.result);
  const results = now.messages.filter(isResult).map((message) => bodiesIn(textOf(message)));
  if (results.length > 0) return { text: `${rehearsalNotice}\n\n${name} reports: ${results.join('\n\n')}` };
  return { text: typeof error === 'string' ? error : `${name} is at work. What it has done follows.` };
};

const itemsOf = (task: string): string[] =>
  task
    .split(/(?<=[.!?])\s+/)
    .map((sentence) => `- [ ] ${sentence.trim()}`)
    .filter((item) => item !== '- [ ] ');

const builderReply = (request: ChatRequest): Reply => {
  const { now } = atTask(request);
  const tasks = request.messages.filter(isTask).map((message) => itemsOf(textOf(message)));
  const calls = pastCalls(now);
  if (hasTool(now, 'write_file') && !calls.some((call) => call.name === 'write_file')) {
    const content = tasks.map((items, n) => `## Task ${n + 1}\n\n${items.join('\n')}\n`).join('\n');
    return { calls: [{ name: 'write_file', arguments: { path: file, content: `# Asked for\n\n${content}` } }] };
  }
  const asked = calls.find(({ arguments: { action } }) => action === 'spawn');
  if (!asked) return spawn({ action: 'spawn', role: 'reviewer', task: `Review ${file}: is every item checked off?` });
  const reviewer = /^ID: (\S+)$/m.exec(asked.result)?.[1];
  const waits = calls.filter(({ arguments: { action } }) => action === 'wait');
  const review = waits.find(({ result }) => result.startsWith('[Sub-agent '));
  if (reviewer !== undefined && !review && waits.length < 3) return spawn({ action: 'wait', agent_id: reviewer });
  const items = tasks.flat().length;
  const last = tasks.at(-1)?.length ?? 0;
  return {
    text: `${file} holds ${items} items of ${tasks.length === 1 ? 'one task' : `${tasks.length} tasks`}, ${items - last} of them from before. The reviewer: ${review ? bodiesIn(review.result) : 'nothing was heard.'}`,
  };
};

const reviewerReply = (request: ChatRequest): Reply => {
  const calls = pastCalls(atTask(request).now);
  const listing = calls.find((call) => call.name === 'list_dir');
  if (!listing && hasTool(request, 'list_dir')) return { calls: [{ name: 'list_dir', arguments: {} }] };
  const isThere = objectsIn(objectIn(listing?.result ?? '').files).some(({ path }) => path === file);
  const reading = calls.find((call) => call.name === 'read_file');
  if (isThere && !reading) return { calls: [{ name: 'read_file', arguments: { path: file } }] };
  if (!reading) return { text: `There is no ${file}.` };
  const items = reading.result.match(/^- \[[ x]\] /gm) ?? [];
  const open = items.filter((item) => item === '- [ ] ');
  return { text: `${file} has ${items.length} items; ${open.length} are not checked off.` };
};
