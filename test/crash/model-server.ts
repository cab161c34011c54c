/** A model behind HTTP that counts: it says what a run should do next, from what stands in its conversation alone. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Message = { role: string; content: string };

/** How many children each agent asks for: one lead, four middles and fifteen leaves are a tree of twenty runs. */
const children = (job: string): number => {
  if (job.startsWith('lead')) return 4;
  return job.endsWith('part 3') ? 3 : 4;
};

const turnFor = (messages: readonly Message[]): { text?: string; call?: { name: string; arguments: object } } => {
  const job = messages.find(({ role }) => role === 'user')?.content ?? '';
  if (messages.some(({ role }) => role === 'tool')) return { text: `done: ${job}` };
  if (job.startsWith('leaf')) return { call: { name: 'append', arguments: { line: job } } };
  return { call: { name: 'ask', arguments: { count: children(job) } } };
};

export type CountingModel = {
  url: string;
  /** Requests by job and turn. */
  asked: Map<string, number>;
  close(): Promise<void>;
};

export const openCountingModel = async (): Promise<CountingModel> => {
  const asked = new Map<string, number>();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const { messages } = JSON.parse(body) as { messages: Message[] };
      const job = messages.find(({ role }) => role === 'user')?.content ?? '';
      const turn = 1 + messages.filter(({ role }) => role === 'assistant').length;
      const key = `${job} #${turn}`;
      asked.set(key, (asked.get(key) ?? 0) + 1);
      const { text, call } = turnFor(messages);
      const chunk = (choice: object, more: object = {}) =>
        `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [{ index: 0, ...choice }], ...more })}\n\n`;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (text) response.write(chunk({ delta: { role: 'assistant', content: text } }));
      if (call)
        response.write(
          chunk({
            delta: {
              role: 'assistant',
              tool_calls: [
                {
                  index: 0,
                  id: 'call_1',
                  type: 'function',
                  function: { name: call.name, arguments: JSON.stringify(call.arguments) },
                },
              ],
            },
          }),
        );
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
      response.write(chunk({ delta: {}, finish_reason: call ? 'tool_calls' : 'stop' }, { usage }));
      response.end('data: [DONE]\n\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
