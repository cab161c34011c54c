import * as z from 'zod';
import type { JSONSchema } from '../json.ts';

/**
 * A Standard Schema that also yields JSON Schema: zod ≥ 4.2, ArkType, Valibot with its JSON Schema package …
 *
 * @see https://standardschema.dev
 */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly jsonSchema: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => JSONSchema;
      readonly output: (options: { readonly target: 'draft-2020-12' }) => JSONSchema;
    };
  };
}

export type SchemaIssue = {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
};

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: ReadonlyArray<SchemaIssue> };

/** An issue as text: where, what. */
export const textOfIssue = ({ message, path = [] }: SchemaIssue): string =>
  [path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.'), message]
    .filter(Boolean)
    .join(': ');

/** What a caller hands in. */
export type InputOf<S> = S extends Schema<infer I, unknown> ? I : never;
/** What a check gives back. */
export type OutputOf<S> = S extends Schema<never, infer O> ? O : S extends Schema<infer _I, infer O> ? O : never;

/**
 * A schema that checks what its JSON Schema says. For schemas that were stored: what the original transformed or refined beyond
 * JSON Schema is not known any more.
 */
export const schemaOf = (schema: JSONSchema): Schema => z.fromJSONSchema(schema);
