import { FaultError, type JSONSchema, type Schema } from '@troupe/protocol';
import { sentence, whatIs } from './what-is.ts';

/** A schema as JSON Schema; a clear error when it is no Standard Schema, or cannot be written as one. */
export const jsonSchemaOf = (schema: Schema, whose: string): JSONSchema => {
  const standard = schema?.['~standard'];
  if (typeof standard?.jsonSchema?.input !== 'function')
    throw new FaultError(
      'schema.invalid',
      `${whose} is ${sentence(foundIn(schema))} Expected a Standard Schema that yields JSON Schema: z.object({ … }) of zod 4.2 or newer, or one of another library that implements it.`,
    );
  try {
    const { $schema: _, ...rest } = standard.jsonSchema.input({ target: 'draft-2020-12' });
    return rest;
  } catch (error) {
    throw new FaultError(
      'schema.invalid',
      `${whose} cannot be written as JSON Schema: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
};

/** What was given instead of a schema, in words. */
const foundIn = (given: unknown): string => {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return whatIs(given);
  if ('~standard' in given) return 'a schema that yields no JSON Schema, as of an older zod';
  const fields = Object.values(given);
  if (fields.length > 0 && fields.every((field) => typeof field === 'object' && field !== null && '~standard' in field))
    return `an object of schemas (${Object.keys(given).join(', ')}), not yet one schema`;
  if ('$schema' in given || 'properties' in given || typeof Reflect.get(given, 'type') === 'string')
    return 'written as JSON Schema';
  return whatIs(given);
};
