import { childReply } from './child.ts';
import { type ChatRequest, hasTool, pastCalls, type Reply } from './conversation.ts';
import { leadReply, rehearsalNotice } from './lead.ts';
import { researchReply } from './research.ts';
import { isOfTeam, teamReply } from './team.ts';

const spawnTools = ['spawn_subworker', 'spawn_agent'];

/**
 * The rehearsal model: the next turn as a pure function of the request. Whoever may start children leads a review or, with
 * `delegate_task`, a research; whoever has `spawn`, or was spawned by it, is one of a team; whoever has file tools only is a child; with
 * neither it says what it is.
 */
export const rehearse = (request: ChatRequest): Reply => {
  // Once its children are used up, the tool is no longer offered: having called it is as good.
  const called = new Set(pastCalls(request).map(({ name }) => name));
  const spawnTool = spawnTools.find((name) => called.has(name) || hasTool(request, name));
  if (spawnTool !== undefined) return leadReply(request, spawnTool);
  if (called.has('delegate_task') || hasTool(request, 'delegate_task')) return researchReply(request);
  if (isOfTeam(request)) return teamReply(request);
  if (hasTool(request, 'list_files') || hasTool(request, 'read_file')) return childReply(request);
  return { text: `${rehearsalNotice} It has no file tools here, so there is nothing it could do.` };
};
