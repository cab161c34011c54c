import { type Agent, defineAgent, type Tool } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { z } from 'zod';

/** How a child reports: data, so that the lead's report can be checked against it. */
export const Findings = z.object({
  area: z.string(),
  summary: z.string().describe('Two or three sentences.'),
  files_read: z.array(z.string()),
  findings: z.array(
    z.object({
      file: z.string(),
      line: z.int().optional(),
      kind: z.enum(['structure', 'interface', 'mark', 'answer', 'risk']),
      note: z.string(),
    }),
  ),
});
export type Findings = z.infer<typeof Findings>;

/** What a child said, if it has the form above. Models like to fence their JSON. */
export const findingsIn = (text: string): Findings | null => {
  try {
    return Findings.parse(JSON.parse(text.trim().replaceAll(/^```(?:json)?\s*|\s*```$/g, '')));
  } catch {
    return null;
  }
};

const instructions = `You review a folder of files for somebody who asks a question about it.

1. List the folder, and what is inside its largest sub-folder if that helps to see the parts.
2. Choose at most five areas that matter most for the question. For each area call spawn_subworker once, all of them in one turn,
   with the area's path as name, all of the file tools as tools, and a task that names the area and repeats the question.
   Its instructions must tell it to read real files, to report only what it has seen in them, and to answer with JSON only,
   of this schema:
\`\`\`json
${JSON.stringify(z.toJSONSchema(Findings, { target: 'draft-2020-12' }))}
\`\`\`
3. Write the report in Markdown: first a short answer to the question, then one section for each area, at last what nobody looked
   at and which sub-workers failed. Name the file, and the line where you know it, for everything you say. Invent nothing.`;

/** The agent that leads a review. Its children get the same file tools, and nothing else. */
export const leadAgent = (fileTools: Tool[]): Agent =>
  defineAgent({
    name: 'lead',
    instructions,
    tools: [
      ...fileTools,
      createSubworkerTool({
        availableTools: fileTools,
        maxSubworkers: 5,
        maxToolsPerSubworker: fileTools.length,
        maxIterations: 8,
        maxToolCalls: 24,
      }),
    ],
    budget: {
      turns: 10,
      toolCalls: 24,
      tokens: 2_000_000,
      costUsd: 1,
      depth: 1,
      descendants: 5,
      concurrency: 4,
      deadlineMs: 15 * 60_000,
    },
  });
