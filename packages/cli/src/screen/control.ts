import type { Run, Runtime } from '@troupe/core';
import { messageOf, type Receipt } from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { Notice, Order } from './keys-machine.ts';

/** What a person may do to the runs that are shown. */
export type Control = {
  /** Finds runs, whichever process executes them. */
  runtime: Pick<Runtime, 'attach'>;
  /** Who starts children here. Without it, spawning cannot be held: runs of other processes are not asked. */
  spawning?: Pick<Runtime, 'pauseSpawning' | 'resumeSpawning' | 'spawningPaused'>;
  /** Called on Ctrl-C. Default: the process gets SIGINT, as if keys were not read. */
  stop?: () => void;
};

const done: Record<Exclude<Order['type'], 'hold'>, string> = {
  answer: 'answered',
  steer: 'told',
  interrupt: 'interrupted',
  pause: 'paused',
  resume: 'resumed',
};

const sent = (run: Run, order: Exclude<Order, { type: 'hold' }>): Promise<Receipt> => {
  switch (order.type) {
    case 'answer':
      return run.answer(order.question.id, order.text);
    case 'steer':
      return run.steer(order.text);
    case 'interrupt':
      return run.interrupt();
    case 'pause':
      return run.pause();
    case 'resume':
      return run.resume();
  }
};

/** Carries out what a person wants, and says what came of it. Never rejects. */
const carryOut = async ({ runtime, spawning }: Control, order: Order): Promise<Notice> => {
  if (order.type === 'hold') {
    if (!spawning) return { type: 'notice', text: 'Spawning can be held only where the runs are executed.' };
    if (spawning.spawningPaused) spawning.resumeSpawning();
    else spawning.pauseSpawning();
    return { type: 'notice', text: '' };
  }
  const again = order.type === 'answer' ? { again: order.question.id } : {};
  try {
    const run = await runtime.attach(order.type === 'answer' ? order.question.runId : order.runId);
    const receipt = await sent(run, order);
    if (receipt.status === 'rejected')
      return { type: 'notice', text: `Not ${done[order.type]}: ${receipt.reason}`, ...again };
    return { type: 'notice', text: '' };
  } catch (error) {
    return { type: 'notice', text: `Not ${done[order.type]}: ${messageOf(error)}`, ...again };
  }
};

/** The actor that carries orders out. */
export const controlActor = (control: Control) =>
  fromCallback<AnyEventObject & Order>(({ receive, sendBack }) => {
    let isOver = false;
    receive((order) => {
      void carryOut(control, order).then((notice) => {
        if (!isOver) sendBack(notice);
      });
    });
    return () => {
      isOver = true;
    };
  });
