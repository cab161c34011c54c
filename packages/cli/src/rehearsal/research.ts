/**
 * The rehearsal model as one that researches with `delegate_task`: one scout for a first look, then several side by side, then one in
 * the background where it is offered a tool for that. It ends its turn while that one is at work, and answers when it has heard of it.
 */
import { childContext, searchContext } from './child.ts';
import {
  type ChatMessage,
  type ChatRequest,
  hasTool,
  isObject,
  objectIn,
  objectsIn,
  type PastCall,
  pastCalls,
  type Reply,
  saidBy,
  textOf,
  toolText,
} from './conversation.ts';
import { rehearsalNotice } from './lead.ts';

const inBackground = 'delegate_in_background';
const topLevel = '.';

/** What a scout gave, or why there is nothing. */
type Scouted = { goal: string } & ({ summary: string } | { error: string });

export const researchReply = (whole: ChatRequest): Reply => {
  const request = sinceQuestion(whole);
  const question = questionIn(request);
  const calls = pastCalls(request);
  const listing = calls.find(({ name }) => name === 'list_files');
  if (!listing && hasTool(request, 'list_files'))
    return { calls: [{ name: 'list_files', arguments: { path: topLevel } }] };

  const asked = calls.filter(({ name }) => name === 'delegate_task');
  const mayAsk = hasTool(request, 'delegate_task');
  if (asked.length === 0 && mayAsk) {
    const first = { goal: 'Take a first look at the top level', context: childContext(topLevel, question) };
    return { calls: [{ name: 'delegate_task', arguments: first }] };
  }
  const areas = listing ? areasIn(listing).slice(0, mostTasks(request)) : [];
  if (asked.length === 1 && mayAsk && areas.length > 0) {
    const tasks = areas.map((area) => ({ goal: `Read ${area}`, context: childContext(area, question) }));
    return { calls: [{ name: 'delegate_task', arguments: { tasks } }] };
  }
  if (hasTool(request, inBackground) && !calls.some(({ name }) => name === inBackground)) {
    const search = { goal: 'Search all files for its words', context: searchContext(topLevel, question) };
    return { calls: [{ name: inBackground, arguments: search }] };
  }
  return { text: answerTo(question, calls, completionsIn(request)) };
};

const isCompletion = ({ role, content }: ChatMessage): boolean =>
  role === 'user' && textOf({ content }).startsWith('[ASYNC DELEGATION');

/** The conversation from the last thing that a person asked. */
const sinceQuestion = (request: ChatRequest): ChatRequest => {
  const { messages } = request;
  const from = messages.findLastIndex((message) => message.role === 'user' && !isCompletion(message));
  return { ...request, messages: messages.slice(Math.max(0, from)) };
};

const questionIn = ({ messages: [asked] }: ChatRequest): string => {
  const text = asked ? textOf(asked) : '';
  return /^Question: ([\s\S]+)$/m.exec(text)?.[1]?.trim() ?? text.trim();
};

/** Sub-folders, the fullest first. */
const areasIn = ({ result }: PastCall): string[] =>
  objectsIn(objectIn(result).folders)
    .flatMap(({ path, files }) => (typeof path === 'string' && typeof files === 'number' ? [{ path, files }] : []))
    .toSorted((a, b) => b.files - a.files || (a.path < b.path ? -1 : 1))
    .map(({ path }) => path);

/** How many tasks one call may hold, as the tool itself says. */
const mostTasks = (request: ChatRequest): number =>
  Number(/up to (\d+) in a call/.exec(toolText(request, 'delegate_task'))?.[1] ?? 1);

/** What background work has come to, by the messages that it left. */
const completionsIn = (request: ChatRequest): Scouted[] => {
  const said = saidBy({ ...request, messages: request.messages.filter(isCompletion) }, 'user');
  return said
    .split(/^\[ASYNC DELEGATION .*\]$/m)
    .flatMap((block) => block.split(/^TASK \d+\/\d+: /m).slice(1))
    .map((task): Scouted => {
      const [goal = '', _about, status = '', ...body] = task.split('\n');
      const text = body.join('\n').trim();
      return status.startsWith('status completed ') ? { goal, summary: text } : { goal, error: text };
    });
};

/** What a call has given: nothing yet, where its work is in the background. */
const scoutedIn = ({ name, arguments: { goal, tasks }, result }: PastCall): Scouted[] => {
  if (name !== 'delegate_task' && name !== inBackground) return [];
  const goals = Array.isArray(tasks) ? objectsIn(tasks).map((task) => String(task.goal)) : [String(goal)];
  const told = objectIn(result);
  if (told.status === 'dispatched') return [];
  const { results } = isObject(told.data) ? told.data : told;
  const entries = objectsIn(results);
  if (entries.length === 0) return goals.map((each) => ({ goal: each, error: String(told.error ?? 'no results') }));
  return entries.map(({ status, summary, error }, i) => {
    const about = goals[i] ?? '';
    return status === 'completed' && typeof summary === 'string'
      ? { goal: about, summary }
      : { goal: about, error: String(error ?? status) };
  });
};

const dispatchedIn = ({ result }: PastCall): string[] => {
  const { status, goals } = objectIn(result);
  return status === 'dispatched' && Array.isArray(goals) ? goals.map(String) : [];
};

const answerTo = (question: string, calls: readonly PastCall[], heard: readonly Scouted[]): string => {
  const told = new Set(heard.map(({ goal }) => goal));
  const pending = calls.flatMap(dispatchedIn).filter((goal) => !told.has(goal));
  const all = [...calls.flatMap(scoutedIn), ...heard];
  const done = all.filter((scouted) => 'summary' in scouted).length;
  const count = `${done} of ${all.length} ${all.length === 1 ? 'scout has' : 'scouts have'} reported.`;
  if (pending.length > 0)
    return `> ${rehearsalNotice}\n\n${count} At work in the background: ${pending.join('; ')}. The answer follows when that has ended.\n`;
  const sections = all.map((scouted) =>
    'summary' in scouted
      ? `## ${scouted.goal}\n\n${scouted.summary}`
      : `## ${scouted.goal}\n\nNothing was reported: ${scouted.error}`,
  );
  return [`> ${rehearsalNotice}`, '# Research', `**Question.** ${question}`, count, ...sections].join('\n\n');
};
