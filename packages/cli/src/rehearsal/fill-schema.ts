import { isObject } from './conversation.ts';

/**
 * A value that fits a JSON Schema, made of what is known: each property takes the known value of its name where the type fits,
 * and an empty one where it is required. Knows the types, `enum`, `const` and `anyOf`; no references, no patterns.
 */
export const fillSchema = (schema: unknown, known: unknown): unknown => {
  if (!isObject(schema)) return known ?? null;
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum.includes(known) ? known : (schema.enum[0] ?? null);
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return fillSchema(choices.find((choice) => fits(choice, known)) ?? choices[0], known);
  const type = Array.isArray(schema.type)
    ? (schema.type.find((name) => fits({ type: name }, known)) ?? schema.type[0])
    : schema.type;
  switch (type) {
    case 'object':
      return fillObject(schema, isObject(known) ? known : {});
    case 'array':
      return Array.isArray(known) ? known.map((item: unknown) => fillSchema(schema.items, item)) : [];
    case 'string':
      return typeof known === 'string' ? known : known === undefined || known === null ? '' : JSON.stringify(known);
    case 'integer':
      return typeof known === 'number' ? Math.round(known) : smallest(schema);
    case 'number':
      return typeof known === 'number' ? known : smallest(schema);
    case 'boolean':
      return known === true;
    case 'null':
      return null;
    default:
      return known ?? null;
  }
};

const fillObject = (schema: Record<string, unknown>, known: Record<string, unknown>): Record<string, unknown> => {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required: unknown[] = Array.isArray(schema.required) ? schema.required : [];
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => name in known || required.includes(name))
      .map(([name, property]) => [name, fillSchema(property, known[name])]),
  );
};

/** The number nearest to 0 that is large enough. */
const smallest = ({ minimum, exclusiveMinimum }: Record<string, unknown>): number =>
  Math.max(
    0,
    typeof minimum === 'number' ? minimum : 0,
    typeof exclusiveMinimum === 'number' ? Math.floor(exclusiveMinimum) + 1 : 0,
  );

const fits = (schema: unknown, value: unknown): boolean => {
  if (!isObject(schema)) return false;
  if (Array.isArray(schema.enum)) return schema.enum.includes(value);
  switch (schema.type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
    case 'number':
      return typeof value === 'number';
    case 'null':
      return value === null || value === undefined;
    default:
      return typeof value === schema.type;
  }
};
