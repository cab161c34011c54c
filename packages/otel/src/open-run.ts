import type { Tracer } from '@opentelemetry/api';
import type { Usage } from '@troupe/protocol';
import type { jobMessages } from './content.ts';
import type { OpenSpan } from './open-span.ts';

/** What all spans are made with. */
export type Tracing = {
  tracer: Tracer;
  /** Whether spans tell what was said. */
  content: boolean;
  providerOf(model: string): string;
};

/** A model call under way. */
export type OpenChat = OpenSpan & {
  readonly turn: number;
  attempts: number;
  /** What attempts that came to nothing used. */
  used: Usage;
  /** Why the last of them did. */
  fault?: { code: string; message: string };
  firstChunkAt?: number;
};

/** A call of the turn in hand. It stays in its place once it has ended, for the sake of those behind it. */
export type OpenCall = OpenSpan & { readonly callId: string; ended: boolean };

/** A run whose end was not told yet. */
export type OpenRun = OpenSpan & {
  readonly runId: string;
  readonly parentId: string | undefined;
  readonly depth: number;
  readonly agent: string;
  /** Whether its beginning was told before anybody listened. */
  readonly joined: boolean;
  model: string;
  conversation: string | undefined;
  /** When its last event was. */
  lastAt: number;
  /** Its parent has let it go, and may end before it. */
  detached: boolean;
  compacted: boolean;
  chat: OpenChat | undefined;
  /** The turn that `calls` are of, where its beginning was told. */
  turn: number | undefined;
  calls: OpenCall[];
  /** Runs that it has started, and that have not ended. */
  readonly below: Set<OpenRun>;
  /** What its next turn is told that its last one was not. */
  heard: ReturnType<typeof jobMessages>;
};

/** What every span below a run says of it. */
export const aboutRun = ({ runId, agent, conversation }: Pick<OpenRun, 'runId' | 'agent' | 'conversation'>) => ({
  'gen_ai.agent.name': agent,
  'gen_ai.conversation.id': conversation,
  'troupe.run.id': runId,
});
