/** Whether what a tool is made of is what it should be. Types say so, too; not everybody has them. */
import { FaultError, type JSONSchema } from '@troupe/protocol';
import type { ToolOptions } from './define-tool.ts';
import { jsonSchemaOf } from './json-schema-of.ts';
import { sentence, whatIs } from './what-is.ts';

/** An error of a tool's definition: whose, what was found, what was expected. */
export const invalidTool = (tool: string, found: string, expected: string): FaultError =>
  new FaultError('tool.invalid', `Tool "${tool}": ${sentence(found)} Expected ${expected}.`);

/** Checks what `defineTool` was given, as far as it is to be read at all. @throws FaultError `tool.invalid` */
export const checkToolOptions = (
  options: Pick<ToolOptions, 'name' | 'before' | 'after'> & { execute: unknown },
): void => {
  if (typeof options !== 'object' || options === null)
    throw new FaultError(
      'tool.invalid',
      `defineTool was given ${sentence(whatIs(options))} Expected { name, description, inputSchema, execute }.`,
    );
  const { name, execute } = options;
  if (typeof name !== 'string') throw invalidTool('?', `its name is ${whatIs(name)}`, 'text that the model can call');
  if (name.trim() === '') throw invalidTool(name, 'its name is blank', 'a name that the model can call');
  if (typeof execute !== 'function')
    throw invalidTool(name, `execute is ${whatIs(execute)}`, 'a function that does the work: execute(input, context)');
  for (const option of ['before', 'after'] as const) checkHooks(name, option, options[option]);
};

const checkHooks = (tool: string, option: 'before' | 'after', hooks: unknown): void => {
  if (hooks === undefined) return;
  const hook = `{ run(call${option === 'after' ? ', result' : ''}) { … } }`;
  if (!Array.isArray(hooks)) throw invalidTool(tool, `${option} is ${whatIs(hooks)}`, `a list of hooks: [${hook}]`);
  const wrong = hooks.findIndex((each) => typeof Object(each).run !== 'function');
  if (wrong < 0) return;
  const found = typeof hooks[wrong] === 'function' ? 'a function' : whatIs(hooks[wrong]);
  throw invalidTool(tool, `${option}[${wrong}] is ${found}, not a hook`, hook);
};

/** The input schema as JSON Schema. @throws FaultError `schema.invalid` also when no object fits it: arguments of calls are objects */
export const inputSchemaOf = (options: Pick<ToolOptions, 'name' | 'inputSchema'>): JSONSchema => {
  const { name, inputSchema } = options;
  const whose = `The inputSchema of tool "${name}"`;
  if (inputSchema === undefined && Reflect.get(options, 'parameters') !== undefined)
    throw new FaultError(
      'schema.invalid',
      `${whose} is undefined, and there is one named "parameters". Call it inputSchema: z.object({ … }).`,
    );
  const schema = jsonSchemaOf(inputSchema, whose);
  if (takesObjects(schema)) return schema;
  throw new FaultError(
    'schema.invalid',
    `${whose} is one of ${typesIn(schema)}, and models call tools with objects. Expected z.object({ … }), with what the tool needs as its fields.`,
  );
};

const branchesOf = ({ anyOf, oneOf }: JSONSchema): readonly JSONSchema[] | undefined =>
  ([anyOf, oneOf] as unknown[]).find(Array.isArray);

const takesObjects = (schema: JSONSchema): boolean => {
  const { type } = schema;
  if (type !== undefined) return [type].flat().includes('object');
  return branchesOf(schema)?.some(takesObjects) ?? true;
};

const typesIn = (schema: JSONSchema): string =>
  schema.type === undefined ? (branchesOf(schema) ?? []).map(typesIn).join(' or ') : [schema.type].flat().join(' or ');
