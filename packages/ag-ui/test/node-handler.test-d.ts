/** What the types of the handler for `node:http` promise. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { expectTypeOf } from 'vitest';
import { type NodeRequest, type NodeResponse, nodeHandler } from '../src/index.ts';

const handler = nodeHandler(async () => new Response());

// It is described without the types of Node, and takes what Node's server gives, as a listener and when it is called.
expectTypeOf(handler).toEqualTypeOf<(incoming: NodeRequest, outgoing: NodeResponse) => void>();
expectTypeOf(handler).toExtend<RequestListener>();
expectTypeOf<IncomingMessage>().toExtend<NodeRequest>();
expectTypeOf<ServerResponse>().toExtend<NodeResponse>();

// What is no request of Node is none: one of the web has no raw headers.
expectTypeOf<Request>().not.toExtend<NodeRequest>();
