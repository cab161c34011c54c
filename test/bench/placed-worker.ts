// node placed-worker.ts URL SCHEMA WORKER
//
// Executes children of `placed.ts`. Says when it serves.
import { once } from 'node:events';
import { bootPlaced } from './placed-program.ts';

const [url = '', schema = '', workerId = ''] = process.argv.slice(2);
await bootPlaced(url, schema).runtime.serve({ workerId, concurrency: 64 });
process.stdout.write('serves\n');
await once(process, 'SIGTERM');
process.exit(0);
