import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpAgent } from '@ag-ui/client';
import type { AGUIEvent, RunAgentInput } from '@ag-ui/core';
import { type AnyAgent, createRuntime, type Runtime, type RuntimeOptions } from '@troupe/core';
import { onTestFinished } from 'vitest';
import { type AgUiOptions, agUiHandler, nodeHandler } from '../src/index.ts';

const silent = { warn: () => {}, error: () => {} };

/** A runtime whose agent is served on a port of this machine, until the test ends. */
export const serve = async (
  agent: AnyAgent,
  options: Partial<RuntimeOptions>,
  served: Partial<AgUiOptions<AnyAgent>> = {},
) => {
  const runtime: Runtime = createRuntime({ model: 'scripted', logger: silent, ...options });
  const handler = agUiHandler({ runtime, agent, ...served });
  const server = createServer(nodeHandler(handler));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await runtime.close({ graceMs: 0 });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { runtime, handler, url };
};

/** AG-UI's own client, and every event that it heard of a run. */
export const client = (url: string, threadId = 'thread') => {
  const agent = new HttpAgent({ url, threadId });
  return {
    agent,
    async run(parameters: Parameters<HttpAgent['runAgent']>[0] = {}) {
      const events: AGUIEvent[] = [];
      const result = await agent.runAgent(parameters, {
        onEvent: ({ event }) => {
          events.push(event as AGUIEvent);
        },
      });
      return { ...result, events };
    },
    say(content: string) {
      agent.addMessage({ id: `said-${agent.messages.length}`, role: 'user', content });
    },
  };
};

export const input = (text: string, more: Partial<RunAgentInput> = {}): RunAgentInput => ({
  threadId: 'thread',
  runId: 'run-1',
  messages: [{ id: 'said', role: 'user', content: text }],
  tools: [],
  context: [],
  ...more,
});

export const post = (url: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });

export const eventsIn = (text: string): AGUIEvent[] =>
  text.split('\n\n').flatMap((frame) => (frame.startsWith('data: ') ? [JSON.parse(frame.slice(6)) as AGUIEvent] : []));
