import type { JSONSchema } from '@troupe/protocol';

/** Keywords that OpenAI's strict mode knows. Any other makes it refuse the whole request. */
const known = new Set(
  (
    '$schema $defs definitions $ref title description type enum const anyOf properties required additionalProperties items ' +
    'pattern format multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems'
  ).split(' '),
);
const formats = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid']);
const deepest = 10;

/**
 * Whether a schema may be sent with `strict: true`: the root is an object, every object lists all its properties as required
 * and allows no others, and only known keywords are used.
 *
 * @see https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 */
export const satisfiesStrictMode = (schema: JSONSchema): boolean =>
  schema.type === 'object' && schema.anyOf === undefined && isStrict(schema, 0);

const isStrict = (schema: unknown, depth: number): boolean => {
  if (!isRecord(schema) || depth > deepest) return false;
  if (Object.keys(schema).some((keyword) => !known.has(keyword))) return false;
  if (typeof schema.format === 'string' && !formats.has(schema.format)) return false;
  if (!['type', 'anyOf', '$ref', 'enum', 'const'].some((keyword) => keyword in schema)) return false;
  const parts = [
    ...listIn(schema.anyOf),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...valuesIn(schema.$defs),
    ...valuesIn(schema.definitions),
  ];
  return (
    (!typesOf(schema).includes('object') || isStrictObject(schema, depth)) &&
    (!typesOf(schema).includes('array') || schema.items !== undefined) &&
    parts.every((part) => isStrict(part, depth + 1))
  );
};

const isStrictObject = ({ properties = {}, required = [], additionalProperties }: JSONSchema, depth: number): boolean =>
  additionalProperties === false &&
  isRecord(properties) &&
  Object.keys(properties).every((name) => listIn(required).includes(name)) &&
  Object.values(properties).every((property) => isStrict(property, depth + 1));

const isRecord = (value: unknown): value is JSONSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const typesOf = ({ type }: JSONSchema): unknown[] => (Array.isArray(type) ? type : [type]);
const listIn = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const valuesIn = (value: unknown): unknown[] => (isRecord(value) ? Object.values(value) : []);
