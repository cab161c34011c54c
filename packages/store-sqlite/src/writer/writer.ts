/** The program of the writer's thread. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Task, WriterData } from './messages.ts';
import { openWriter } from './open-writer.ts';

const writer = openWriter(workerData as WriterData);
parentPort?.on('message', (tasks: readonly Task[]) => parentPort?.postMessage(writer.write(tasks)));
