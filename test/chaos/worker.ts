// node worker.ts URL SCHEMA WORKER CONCURRENCY
//
// Executes walkers until it is told to leave. Says in lines of JSON what was, or may have been, taken over by others.
import { once } from 'node:events';
import { boot } from './program.ts';

const [url = '', schema = '', workerId = '', concurrency = '1'] = process.argv.slice(2);
const say = (what: object): void => void process.stdout.write(`${JSON.stringify({ workerId, ...what })}\n`);
const logger = {
  warn: (message: string, { code }: { code?: unknown } = {}) =>
    say(code === 'store.fenced' || code === 'store.silent' ? { fenced: message } : { warns: message }),
  error: (message: string) => say({ errs: message }),
};
const { runtime, close } = boot(url, schema, { logger });
await runtime.serve({ workerId, concurrency: Number(concurrency) });
say({ serves: true });
await once(process, 'SIGTERM');
await close();
