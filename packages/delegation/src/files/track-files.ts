import { isDispatched, isSpawned, resultOfTool, type Tool, type ToolContext, type ToolResult } from '@troupe/core';
import { FaultError, messageOf, redact } from '@troupe/protocol';
import { type FileRegistry, processFiles } from './file-registry.ts';

/** A file that a call reads, and whether it reads only a part of it. */
export type FileUse = string | { path: string; partial?: boolean };

/** Which files a tool reads and writes. `I` is its checked input; without an annotation an object with a `path`. */
export type TrackFilesOptions<I> = {
  /** Default: {@link processFiles}. */
  registry?: FileRegistry;
  /** What a call with this input reads. */
  reads?: (input: I) => FileUse | readonly FileUse[];
  /** What a call with this input writes, creates or deletes. */
  writes?: (input: I) => string | readonly string[];
};

const listOf = <T>(found: T | readonly T[] | undefined): readonly T[] =>
  found === undefined ? [] : Array.isArray(found) ? found : [found as T];

const tracked = new WeakSet<Tool>();

/** The same result with the warnings in front. Where there was an error it stays the error, and comes first. */
const warned = (result: ToolResult, warnings: readonly string[]): ToolResult => {
  const { content, error } = result;
  const text = warnings.join('\n');
  if (error !== undefined) return { ...result, error: `${error} ${text}` };
  return { ...result, content: content ? `${text}\n\n${content}` : text };
};

/**
 * The same tool, whose reads and writes other runs of this process hear of. Calls that write a file wait for each other; a run that
 * writes what it has not read, or what others changed, is told so in front of the result. It is told, not stopped; stopped is only who would
 * write beside a call that was ended and may still write.
 *
 * What a call reads or writes is remembered when it succeeded. All else of the tool stays as it is; `outputSchema` is checked
 * inside, before the warning is put in front.
 *
 * @throws FaultError `files.invalid` when the tool is tracked already: its writes would wait for themselves.
 */
export const trackFiles = <I = { path: string }>(
  tool: Tool,
  { registry = processFiles, reads, writes }: TrackFilesOptions<I>,
): Tool => {
  if (tracked.has(tool))
    throw new FaultError('files.invalid', `Tool "${tool.name}" is tracked already. Track it once, with all it does.`);
  if (!registry.enabled) return tool;

  const work = async (input: I, context: ToolContext, written: readonly string[]): Promise<unknown> => {
    const { runId } = context;
    const warnings = written.flatMap((path) => registry.checkStale(runId, path) ?? []);
    const seen = listOf(reads?.(input)).map((use) => {
      const { path, partial = false } = typeof use === 'string' ? { path: use } : use;
      return { path, partial, seen: registry.look(path) };
    });
    let result: ToolResult;
    try {
      const output = await tool.execute(input as never, context);
      if (isSpawned(output) || isDispatched(output)) return output;
      result = await resultOfTool(tool, output);
    } catch (error) {
      if (warnings.length === 0) throw error;
      return warned({ error: redact(messageOf(error)) }, warnings);
    }
    if (result.error === undefined) {
      for (const { path, ...read } of seen) registry.recordRead(runId, path, read);
      for (const path of written) registry.noteWrite(runId, path);
    }
    return warnings.length > 0 ? warned(result, warnings) : result;
  };

  const { outputSchema: _checkedInside, ...rest } = tool;
  const wrapped: Tool = Object.freeze({
    ...rest,
    execute: (input: never, context: ToolContext): unknown => {
      const written = listOf(writes?.(input));
      const call = () => work(input, context, written);
      const { signal, runId } = context;
      return written.length > 0 ? registry.withLock(written, call, { signal, by: `run "${runId}"` }) : call();
    },
  });
  tracked.add(wrapped);
  return wrapped;
};
