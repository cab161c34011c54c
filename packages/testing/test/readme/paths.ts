import assert from 'node:assert/strict';
import { pathsOf } from '@troupe/testing';
import { fromPromise, setup } from 'xstate';

const upload = setup({ actors: { send: fromPromise(async () => 'sent') } }).createMachine({
  initial: 'sending',
  states: {
    sending: { invoke: { src: 'send', id: 'send', onDone: 'done', onError: 'failed' }, after: { 5000: 'failed' } },
    failed: { on: { retry: 'sending' } },
    done: { type: 'final' },
  },
});

const paths = pathsOf(upload, {
  events: [{ type: 'retry' }],
  settles: { send: () => [{ output: 'sent' }, { error: new Error('offline') }] },
});

assert.deepEqual(paths.map(({ description }) => description).sort(), [
  'xstate.init → xstate.after.5000.(machine).sending',
  'xstate.init → xstate.done.actor.send',
  'xstate.init → xstate.error.actor.send → retry',
]);
