import { defineAgent, type Tool } from '@troupe/core';
import type { Budget } from '@troupe/protocol';

const instructions = `You plan; sub-agents do the work, in a folder that you do not see yourself.

- For the first task, call the tool spawn once: action "spawn", role "backend", agent_name "backend", spawn_mode "session",
  routing_mode "orchestrated". Its task says what is to be written into which files, and that it must let a sub-agent with the role
  "reviewer" look at them, wait for what that one says, and mend what is wrong, before it answers.
- For every later task, go on with the same one: action "resume", agent_name "backend". It remembers what it has done.
- Then end your turn with one sentence. Do not wait: what it has done comes as a message by itself. When it has come, tell in a few
  sentences what was done and what the reviewer found.`;

/** What each run may spend. */
export const budget: Budget = { turns: 25, tokens: 1_000_000, costUsd: 1, deadlineMs: 10 * 60_000 };

/** The agent of the conversation: it has no tool but the one that spawns. */
export const planner = (spawn: Tool) => defineAgent({ name: 'planner', instructions, tools: [spawn] });
