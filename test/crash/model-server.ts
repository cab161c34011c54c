/** Models behind HTTP, for programs that are killed: what they say next comes from what stands in the conversation alone. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Message = { role: string; content: string };
type Turn = { text?: string; call?: { name: string; arguments: object } };
type Asked = { messages: Message[]; authorization: string | undefined };

/** How many children each agent asks for: one lead, four middles and fifteen leaves are a tree of twenty runs. */
const children = (job: string): number => {
  if (job.startsWith('lead')) return 4;
  return job.endsWith('part 3') ? 3 : 4;
};

const turnFor = (messages: readonly Message[]): Turn => {
  const job = messages.find(({ role }) => role === 'user')?.content ?? '';
  if (messages.some(({ role }) => role === 'tool')) return { text: `done: ${job}` };
  if (job.startsWith('leaf')) return { call: { name: 'append', arguments: { line: job } } };
  return { call: { name: 'ask', arguments: { count: children(job) } } };
};

const send = (response: ServerResponse, { text, call }: Turn): void => {
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
};

/** Serves the turns that `answer` gives. */
export const openModel = async (
  answer: (asked: Asked) => Turn | Promise<Turn>,
): Promise<{ url: string; close(): Promise<void> }> => {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const { messages } = JSON.parse(body) as { messages: Message[] };
      void Promise.resolve(answer({ messages, authorization: request.headers.authorization })).then((turn) =>
        send(response, turn),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};

export type CountingModel = {
  url: string;
  /** Requests by job and turn. */
  asked: Map<string, number>;
  close(): Promise<void>;
};

/** One that says what the runs of a tree should do, and counts. */
export const openCountingModel = async (): Promise<CountingModel> => {
  const asked = new Map<string, number>();
  const model = await openModel(({ messages }) => {
    const job = messages.find(({ role }) => role === 'user')?.content ?? '';
    const turn = 1 + messages.filter(({ role }) => role === 'assistant').length;
    const key = `${job} #${turn}`;
    asked.set(key, (asked.get(key) ?? 0) + 1);
    return turnFor(messages);
  });
  return { ...model, asked };
};
