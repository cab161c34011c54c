// node test/tools/run.mjs COMMAND ARGS...
//
// Runs COMMAND with the workspace's own tools, and its own Node, first on PATH. `npm test` and `npm run demo` come through
// here, so that a clone on a machine with only Node >= 20 and npm works at once: the locked dependencies are installed
// first, by the pnpm that package.json names, without asking. This file must therefore run without any dependency.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR = 24; // the first Node that runs these sources, .ts, as they are

const root = fileURLToPath(new URL('../..', import.meta.url));
const windows = process.platform === 'win32';
const bin = join(root, 'node_modules', '.bin');
// Windows spells it Path; a copy of process.env is case-sensitive.
const pathKey = Object.keys(process.env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH';
const env = {
  // Sources without their types, compiled: every process and thread that is started again has them at once.
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled'),
  // The tests run what is published on it, too.
  MACHINE_NODE: process.execPath,
  ...process.env,
  [pathKey]: [bin, process.env[pathKey]].filter(Boolean).join(delimiter),
};

/** Leaves with one sentence instead of a stack trace. @type {(sentence: string) => never} */
const refuse = (sentence) => {
  console.error(sentence);
  process.exit(1);
};

install();
checkNode();
start(process.argv.slice(2));

function install() {
  // pnpm has just done it by itself (verifyDepsBeforeRun).
  if (process.env.npm_config_user_agent?.startsWith('pnpm/')) return;

  const lockfile = join(root, 'pnpm-lock.yaml');
  const installed = join(root, 'node_modules', '.modules.yaml');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs) return;

  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { error, status } = spawnSync('npx', ['--yes', packageManager, 'install', '--frozen-lockfile'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: windows,
  });
  if (error) refuse(`The dependencies could not be installed: npx did not start (${error.message}); install npm.`);
  if (status !== 0) process.exit(status ?? 1);
  // pnpm leaves the file alone when nothing had changed.
  const now = new Date();
  utimesSync(installed, now, now);
}

/** Looks at the Node that COMMAND will get: the pinned one where there is one, otherwise the machine's own. */
function checkNode() {
  const pinned = existsSync(join(bin, windows ? 'node.cmd' : 'node'));
  const { stdout } = spawnSync('node', ['--version'], { env, encoding: 'utf8', shell: windows });
  const version = stdout?.trim();
  if (Number(/^v(\d+)\./.exec(version ?? '')?.[1]) >= NODE_MAJOR) return;
  refuse(
    pinned
      ? `The Node in node_modules/.bin does not run here (it is built for Linux with glibc): install Node ${NODE_MAJOR} or later from https://nodejs.org and delete node_modules/.bin/node.`
      : `This needs Node ${NODE_MAJOR} or later, but found ${version || 'none'}, and there is no pinned one for ${process.platform}-${process.arch}: install Node ${NODE_MAJOR} from https://nodejs.org, then run it again.`,
  );
}

/** @param {string[]} command */
function start([command, ...args]) {
  if (!command) refuse('Say what to run: node test/tools/run.mjs COMMAND ARGS...');
  // Tools are .cmd files on Windows, which only a shell starts; node.exe is not, and must get its arguments unchanged.
  const child = spawn(command, args, { stdio: 'inherit', env, shell: windows && command !== 'node' });
  // A terminal sends Ctrl-C to both: the command decides when it ends, and this waits for it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => refuse(`${command} did not start: ${error.message}`));
  child.on('close', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 1);
  });
}
