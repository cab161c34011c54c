import type { JSONSchema, ModelRequest } from '@troupe/protocol';
import { satisfiesStrictMode } from './strict-schema.ts';

type Output = NonNullable<ModelRequest['output']>;

/** A wish for structured output, as both wires write it. */
export const outputFormat = ({ name, schema }: Output, strictSchemas: boolean | undefined) => ({
  name: name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64) || 'answer',
  schema,
  strict: strictSchemas ?? satisfiesStrictMode(schema),
});

/** A tool's input schema with what vendors insist on: the root is an object with properties. */
export const parametersOf = (inputSchema: JSONSchema): JSONSchema => ({
  type: 'object',
  properties: {},
  ...inputSchema,
});
