/** What a run is made of: what its job says, else what its agent says. */
import { type JobData, type JSONSchema, type Schema, schemaOf } from '@troupe/protocol';
import type { AnyAgent } from '../define-agent.ts';
import type { Tool } from '../define-tool.ts';
import type { Job } from '../job.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';

const named = new WeakMap<AnyAgent, ReadonlyMap<string, Tool>>();
/** The tools of an agent, the same map for all its runs: what a model is told of them is worked out once for each map. */
const byName = (agent: AnyAgent): ReadonlyMap<string, Tool> => {
  const known = named.get(agent) ?? new Map(agent.tools.map((tool) => [tool.name, tool]));
  named.set(agent, known);
  return known;
};

/** The tools of a run: the job's if it names some, else the agent's. Of two with one name the last counts; unknown names are listed. */
export const toolsOf = (
  agent: AnyAgent,
  job: Job | JobData,
): { tools: ReadonlyMap<string, Tool>; unknown: string[] } => {
  const known = byName(agent);
  const wanted = typeof job === 'string' ? undefined : job.tools;
  if (!wanted) return { tools: known, unknown: [] };
  const tools = new Map<string, Tool>();
  const unknown: string[] = [];
  for (const item of wanted) {
    const tool = typeof item === 'string' ? known.get(item) : item;
    if (tool) tools.set(tool.name, tool);
    else unknown.push(String(item));
  }
  return { tools, unknown };
};

/** The schema of a run's answer, and how its model is told: the job's if it has one, else the agent's. @throws FaultError `schema.invalid` */
export const outputOf = (agent: AnyAgent, job: Job): { outputSchema?: Schema; outputJSONSchema?: JSONSchema } => {
  const own = typeof job === 'string' ? undefined : job.outputSchema;
  if (own)
    return {
      outputSchema: own,
      outputJSONSchema: jsonSchemaOf(own, `The outputSchema of the job for "${agent.name}"`),
    };
  const { outputSchema, outputJSONSchema } = agent;
  return { ...(outputSchema && { outputSchema }), ...(outputJSONSchema && { outputJSONSchema }) };
};

/** The same for a stored job, whose schema is data: it checks as its JSON Schema says, and transforms nothing. */
export const outputFrom = (agent: AnyAgent, job: JobData): ReturnType<typeof outputOf> =>
  job.outputSchema
    ? { outputSchema: schemaOf(job.outputSchema), outputJSONSchema: job.outputSchema }
    : outputOf(agent, '');
