// The faults that `npm run mutants` plants, one after another: each breaks a promise that users rely on, in the place that keeps it.

/** @typedef {{ name: string, file: string, find: string, put: string, suites?: string[] }} Fault `find` stands in `file` once. `suites`: those that should notice. */

/** @type {Fault[]} */
export const faults = [
  {
    name: 'drop a terminal event: a child that is interrupted tells no end',
    file: 'packages/core/src/runtime/endings.ts',
    find: 'recorder.record(run, [{ ...end, usage',
    put: "if (run.depth === 0 || end.type !== 'run.interrupted') recorder.record(run, [{ ...end, usage",
  },
  {
    name: 'count a failed child: it keeps its place in the quota',
    file: 'packages/core/src/runtime/quotas.ts',
    find: 'completed: state.completed + Number(event.completed),',
    put: 'completed: state.completed + 1,',
  },
  {
    name: 'skip a queued stop: a child that waits for its slot does not hear the interrupt',
    file: 'packages/core/src/actors/crew-actor.ts',
    find: 'for (const child of [...crew.children.values()]) child.send(order.command);',
    put: "for (const child of [...crew.children.values()])\n          if (order.command.type !== 'interrupt' || child.getSnapshot().value !== 'queued') child.send(order.command);",
  },
  {
    name: 'lose an answer: what was answered during a pause does not run afterwards',
    file: 'packages/core/src/agent/life.ts',
    find: 'startReady(step);',
    put: '',
  },
  {
    name: 'release a budget twice: a settled child gives its grant back two times',
    file: 'packages/core/src/agent/children.ts',
    find: 'run.reserved = takePool(run.reserved, child.reserved);',
    put: 'run.reserved = takePool(takePool(run.reserved, child.reserved), child.reserved);',
  },
  {
    name: 'carve nothing: what a child may spend is not set aside above it',
    file: 'packages/core/src/agent/children.ts',
    find: 'run.reserved = addPool(run.reserved, reserved);',
    put: '',
  },
  {
    name: 'charge nothing: what a child has spent is not spent above it',
    file: 'packages/core/src/agent/children.ts',
    find: 'run.spent = addPool(run.spent, { ...end.spent, descendants: end.spent.descendants + 1 });',
    put: 'run.spent = addPool(run.spent, { tokens: 0, costUsd: 0, descendants: end.spent.descendants + 1 });',
  },
  {
    name: 'loosen a limit: one that is set further down replaces a tighter one',
    file: 'packages/core/src/agent/limits.ts',
    find: 'if (value !== undefined && value < (out[key] ?? Number.POSITIVE_INFINITY)) out[key] = value;',
    put: 'if (value !== undefined) out[key] = value;',
  },
  {
    name: 'take a cut answer for a whole one: the length limit is no failure',
    file: 'packages/core/src/agent/agent-setup.ts',
    find: 'wasCut: ifTurn(isCut),',
    put: 'wasCut: () => false,',
  },
  {
    name: 'wait for nobody: a run whose calls all ask a person does not pause',
    file: 'packages/core/src/agent/agent-setup.ts',
    find: 'waitsForPerson: ({ context: { run } }) => run.open > 0 && run.open === run.stuck,',
    put: 'waitsForPerson: () => false,',
  },
  {
    name: 'lose what the background came to: a unit that has ended leaves nothing',
    file: 'packages/core/src/runtime/endings.ts',
    find: 'if (letter) recorder.record(run, [], undefined, [letter]);',
    put: '',
  },
  {
    name: 'wake for ever: sessions are never tired',
    file: 'packages/core/src/background/courier.ts',
    find: 'if (maxWakes === Number.POSITIVE_INFINITY) return false;',
    put: 'if (maxWakes >= 0) return false;',
  },
  {
    name: 'tell a secret: events are stored as they are said',
    file: 'packages/core/src/runtime/recorder.ts',
    find: 'redact(filled(run, draft, at))',
    put: 'filled(run, draft, at)',
  },
  {
    name: 'tell an event twice: what a reader has read is told to it once more',
    file: 'packages/core/src/runtime/sieve.ts',
    find: "if (placeOf(event) <= before) return 'known';",
    put: '',
  },
  {
    name: 'hear a command twice: what came of a message is not stored with it',
    file: 'packages/core/src/runtime/inbox.ts',
    find: 'void run.receipts.push({ mailId: id, receipt });',
    put: 'void receipt;',
  },
  {
    name: 'forget in a journal: what a run was told by a person is not written down',
    file: 'packages/core/src/runtime/steps.ts',
    find: '  run.heard.push({',
    put: "  if (event.type !== 'answer') run.heard.push({",
  },
  {
    name: 'do again in a fork: how calls in flight had ended is not known',
    file: 'packages/core/src/replay/in-flight.ts',
    find: 'known[fact.index] = fact.outcome;',
    put: '',
  },
  {
    name: 'write side by side: two that change one file do not wait for each other',
    file: 'packages/delegation/src/files/path-locks.ts',
    find: 'if (before) await turn(name, before, line, signal);',
    put: 'if (before) void turn(name, before, line, signal).catch(() => {});',
  },
  {
    name: 'write as two: a process whose run was claimed by another goes on writing',
    file: 'packages/store-sqlite/src/writer/write-steps.ts',
    find: 'if (!mayBegin && (run.owner !== owner || run.epoch !== epoch))',
    put: 'if (!mayBegin && run.owner === null)',
    suites: ['packages/store-sqlite/test'],
  },
  {
    name: 'take a cut stream for a whole one: an answer without a finish reason is complete',
    file: 'packages/openai/src/chat-stream.ts',
    find: "if (ended === undefined) throw new StreamError('model.stream_cut', 'The stream ended without a finish reason.');",
    put: "ended ??= 'stop';",
    suites: ['packages/openai/test'],
  },
];
