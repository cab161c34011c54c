import type { Run, Runtime } from '@troupe/core';
import { messageOf, type Receipt } from '@troupe/protocol';
import { type AnyEventObject, fromCallback } from 'xstate';
import type { Notice, Order } from './keys-machine.ts';

/** What a person may do to the runs that are shown. */
export type Control = {
  /** Finds runs, whichever process executes them. The screen says, too, when this runtime as a whole starts no children. */
  runtime: Pick<Runtime, 'attach'> & Partial<Pick<Runtime, 'spawningPaused'>>;
  /** Called on Ctrl-C. Default: the process gets SIGINT, as if keys were not read. */
  stop?: () => void;
};

const done: Record<Order['type'], string> = {
  answer: 'answered',
  steer: 'told',
  interrupt: 'interrupted',
  pause: 'paused',
  resume: 'resumed',
  pauseSpawning: 'kept from starting children',
  resumeSpawning: 'allowed to start children',
};

/** What the tree alone does not say of what was accepted: whom it binds. */
const told: Partial<Record<Order['type'], string>> = {
  pauseSpawning: 'It and all below it start no children now.',
  resumeSpawning: 'It may start children again.',
};

const holdSpawning = async (run: Run, type: 'pauseSpawning' | 'resumeSpawning'): Promise<Receipt> => {
  const foreseen = await run.can({ type });
  return foreseen.status === 'rejected' ? foreseen : run[type]();
};

const sent = (run: Run, order: Order): Promise<Receipt> => {
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
    case 'pauseSpawning':
    case 'resumeSpawning':
      return holdSpawning(run, order.type);
  }
};

/** Carries out what a person wants, and says what came of it. Never rejects. */
const carryOut = async ({ runtime }: Control, order: Order): Promise<Notice> => {
  const again = order.type === 'answer' ? { again: order.question.id } : {};
  try {
    const run = await runtime.attach(order.type === 'answer' ? order.question.runId : order.runId);
    const receipt = await sent(run, order);
    if (receipt.status === 'rejected')
      return { type: 'notice', text: `Not ${done[order.type]}: ${receipt.reason}`, ...again };
    return { type: 'notice', text: told[order.type] ?? '' };
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
