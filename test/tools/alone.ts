// The test files of a worker share what is in node_modules, so that zod, XState and RxJS are loaded once and not for every file.
// The modules of this workspace each file gets afresh. What it changes in the process around them it must undo, or it fails.
import { afterAll, expect, vi } from 'vitest';

const heard = ['beforeExit', 'exit', 'uncaughtException', 'unhandledRejection', 'warning'];

const surroundings = () => ({
  environment: { ...process.env },
  folder: process.cwd(),
  exitCode: process.exitCode,
  listeners: heard.map((event) => `${event}: ${process.listenerCount(event)}`),
  stackTraceLimit: Error.stackTraceLimit,
  fakeTimers: vi.isFakeTimers(),
});

const globals = Object.getOwnPropertyDescriptors(globalThis);
const replaced = () => {
  const now = Object.getOwnPropertyDescriptors(globalThis);
  return Object.entries(globals).flatMap(([name, { value, get }]) =>
    Object.is(now[name]?.value, value) && now[name]?.get === get ? [] : [name],
  );
};

vi.resetModules();
const before = surroundings();

afterAll(() => {
  const after = { ...surroundings(), replaced: replaced() };
  expect(after, 'What a test file changes in its process it must undo.').toEqual({ ...before, replaced: [] });
});
