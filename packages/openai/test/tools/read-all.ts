import type { ModelPart } from '@troupe/protocol';
import { told } from './turn.ts';

/** What a reader makes of a stream. An error among the chunks is thrown where it stands. */
export const readAll = async (
  reader: (stream: AsyncIterable<unknown>) => AsyncIterable<ModelPart>,
  chunks: readonly unknown[],
) => {
  async function* stream() {
    for (const chunk of chunks) {
      if (chunk instanceof Error) throw chunk;
      yield chunk;
    }
  }
  const parts: ModelPart[] = [];
  for await (const part of reader(stream())) parts.push(part);
  return told(parts);
};
