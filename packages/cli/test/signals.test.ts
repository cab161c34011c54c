import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openSignals } from '../src/signals.ts';
import { inTerminal, keys } from './pseudo-terminal.ts';
import { bin, freshFolder, linesOf, office, startTroupe, troupe, untilTold } from './shell.ts';

const start = () => {
  const from = new EventEmitter();
  const left: [code: number, isEarly: boolean][] = [];
  const signals = openSignals({ process: from, leave: (code, isEarly) => void left.push([code, isEarly]) });
  const heard: (number | null)[] = [];
  return {
    signals,
    send: (name: 'SIGINT' | 'SIGTERM') => from.emit(name, name),
    hear: () => signals.hear(() => void heard.push(signals.code())),
    seen: () => ({ left, heard }),
  };
};

describe('a signal', () => {
  test('ends the process while nothing has begun', () => {
    const { signals, send, seen } = start();
    expect(signals.code()).toBeNull();
    send('SIGTERM');
    expect(seen()).toEqual({ left: [[143, true]], heard: [] });
  });

  test('is kept for who will hear it once something has begun; the next one does not wait', async () => {
    const { signals, send, hear, seen } = start();
    await signals.hold();
    send('SIGINT');
    expect(seen()).toEqual({ left: [], heard: [] });
    hear();
    expect(seen()).toEqual({ left: [], heard: [130] });

    const late = start();
    await late.signals.hold();
    late.send('SIGINT');
    late.send('SIGTERM');
    expect(late.seen()).toEqual({ left: [[143, false]], heard: [] });
  });

  test('that came while modules were loaded is told before anything begins', async () => {
    const { signals, send, seen } = start();
    let hasBegun = false;
    setImmediate(() => send('SIGINT'));
    void signals.hold().then(() => {
      hasBegun = true;
    });
    await new Promise((resolve) => setTimeout(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect([hasBegun, seen().left]).toEqual([false, [[130, true]]]);
  });

  test('is told to who hears, as a key or not, and ends the process when they hear no more', () => {
    const { signals, send, hear, seen } = start();
    const forget = hear();
    signals.stop();
    send('SIGTERM');
    forget();
    expect(seen()).toEqual({ left: [], heard: [130, 143] });
    send('SIGINT');
    signals.quit();
    expect(seen().left).toEqual([
      [130, false],
      [130, false],
    ]);
  });

  test('goes to who hears now, whoever heard before', () => {
    const { send, hear, seen } = start();
    const forget = hear();
    hear();
    forget();
    send('SIGINT');
    expect(seen()).toEqual({ left: [], heard: [130] });
  });
});

/** A module that is loaded before the command is, and sends it a signal as soon as it asks for another. */
const signalled = (folder: string, name: string, signal = 'SIGINT'): Record<string, string> => {
  const hooks = join(folder, 'signal.mjs');
  writeFileSync(
    hooks,
    `import { registerHooks } from 'node:module';
let isSent = false;
registerHooks({
  resolve(name, context, next) {
    if (name === '${name}' && !isSent) {
      isSent = true;
      process.kill(process.pid, '${signal}');
    }
    return next(name, context);
  },
});`,
  );
  return { NODE_OPTIONS: `--import ${hooks}` };
};

const statusOf = async (folder: string, runId = 'r'): Promise<string> => {
  const { stdout } = await troupe(folder, ['runs', 'show', runId, '--json']);
  return linesOf(stdout)[0].status;
};

describe('a command that runs something', { timeout: 30_000 }, () => {
  test.each([
    ['SIGINT', 130, [], 'troupe: Stopped before a run had begun here.\n'],
    [
      'SIGTERM',
      143,
      ['--json'],
      /^\{"error":\{"code":"cli\.stopped","message":"Stopped before a run had begun here\."/,
    ],
  ])('is stopped by %s before its parts are loaded', async (signal, code, flags, said) => {
    const folder = freshFolder();
    const ended = await startTroupe(folder, ['run', office, 'Hello', ...flags], signalled(folder, 'commander', signal))
      .ended;
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toEqual(typeof said === 'string' ? said : expect.stringMatching(said));
    expect((await troupe(folder, ['runs', 'list', '--json'])).stdout).toBe('');
  });

  test('is stopped by Ctrl-C while its agent file loads, however long that takes', async () => {
    const folder = freshFolder();
    writeFileSync(
      join(folder, 'slow.mjs'),
      `console.error('Loads.'); await new Promise(() => setInterval(() => {}, 9));`,
    );
    const terminal = inTerminal(process.execPath, [bin, 'run', 'slow.mjs', 'Hello'], { cwd: folder });
    await terminal.until(/Loads\./);
    terminal.type(keys.ctrlC);
    expect(await terminal.exit).toBe(130);
    expect(terminal.text).toMatch(/troupe: Stopped before a run had begun here\.$/);
  });

  test('interrupts the run where Ctrl-C comes in the moment in which it begins', async () => {
    const folder = freshFolder();
    writeFileSync(
      join(folder, 'agents.mjs'),
      `import agents from ${JSON.stringify(office)};
let n = 0;
const next = (kind) => {
  if (kind === 'run') process.kill(process.pid, 'SIGINT');
  return kind + (n += 1);
};
export default { ...agents, ids: { next } };`,
    );
    const { code, stderr } = await startTroupe(folder, ['run', 'agents.mjs', 'dig']).ended;
    expect([code, stderr]).toEqual([130, expect.stringMatching(/Run run\d interrupted\n$/)]);
    expect(await statusOf(folder, /^Run (\S+) interr/m.exec(stderr)?.[1])).toBe('interrupted');
  });

  test('ends when its run was interrupted, whatever a tool still does', async () => {
    const folder = freshFolder();
    const working = startTroupe(folder, ['run', office, 'stay', '--id', 'r', '--json']);
    await untilTold(folder, 'r', 'call.started');
    working.child.kill('SIGINT');
    const { code, stdout } = await working.ended;
    expect([code, linesOf(stdout)[0].status]).toEqual([130, 'interrupted']);
  });

  test('leaves at the second Ctrl-C where the first cannot end the run, which goes on elsewhere', async () => {
    const folder = freshFolder();
    const terminal = inTerminal(process.execPath, [bin, 'run', office, 'stay', '--id', 'r'], { cwd: folder });
    await untilTold(folder, 'r', 'call.started');
    await terminal.until(/lead +stay/);
    // another program holds the store, for longer than anybody would wait
    const store = new DatabaseSync(join(folder, '.troupe/runs.db'));
    onTestFinished(() => store.close());
    store.exec('BEGIN IMMEDIATE');
    terminal.type(keys.ctrlC);
    await terminal.until(/Interrupting\. Ctrl-C once more leaves at once\./);
    const first = await Promise.race([terminal.exit, terminal.until(/Left run/, 500).catch(() => 'is still there')]);
    expect(first).toBe('is still there');
    const at = performance.now();
    terminal.type(keys.ctrlC);
    expect(await terminal.exit).toBe(130);
    expect(performance.now() - at).toBeLessThan(3_000);
    expect(terminal.text).toMatch(/Left run r as it is\. Go on with it: troupe resume r --file /);
    store.exec('ROLLBACK');
    expect(await statusOf(folder)).toBe('running');
    const resumed = await startTroupe(folder, ['resume', 'r', '--file', office], { STAY_MS: '0' }).ended;
    expect([resumed.code, resumed.stdout]).toEqual([0, 'Run "r" was resumed.\nDone: stayed\n']);
  });
});
