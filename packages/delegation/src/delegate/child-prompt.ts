import type { Task } from './delegate-input.ts';
import type { DelegatePolicy } from './delegate-options.ts';

const closing = `Work on this with the tools you have. When you are done, answer with a summary for whoever delegated it to you:
- what you did
- what you found out or brought about
- which files you created or changed
- what went wrong, and what is left open

They see nothing of your work but this summary: keep it short, and say nothing in it that you did not do or check.`;

/** How an orchestrator is told to delegate. @param depth Its own. */
const orchestration = (depth: number, { name, maxSpawnDepth, maxConcurrentChildren }: DelegatePolicy): string => {
  const below =
    depth + 1 >= maxSpawnDepth
      ? 'Your own children are at the last level: they MUST be leaves and cannot delegate.'
      : 'Your own children may be leaves, or orchestrators that delegate further.';
  return `YOU ARE AN ORCHESTRATOR
You may hand parts of your task to children of your own with ${name}, up to ${maxConcurrentChildren} side by side. Do so where parts can be worked on by themselves; do small things yourself. Their summaries are self-reports: check what matters before you pass it on.
You run at level ${depth} of ${maxSpawnDepth}. ${below}`;
};

/** The instructions of a child. Its conversation is empty but for its goal. @param depth The child's. */
export const childInstructions = ({ goal, context, role }: Task, depth: number, policy: DelegatePolicy): string =>
  [
    'You were given one task by another agent. You know nothing of their conversation but what stands here.',
    `YOUR TASK:\n${goal}`,
    context && `CONTEXT:\n${context}`,
    closing,
    role === 'orchestrator' && orchestration(depth, policy),
  ]
    .filter(Boolean)
    .join('\n\n');

/** The same for a child that has a folder to work in. */
export const inWorkspace = (instructions: string, folder: string): string =>
  `${instructions}\n\nWORKSPACE PATH:\n${folder}\nWork there unless your task says otherwise.`;
