// npm run soak [-- RUNS]
//
// The random worlds of `npm test`, many more of them (default 200,000 of each kind). Ends with their closing line.
import { spawnSync } from 'node:child_process';

const [runs = '200000'] = process.argv.slice(2);
const { status } = spawnSync('vitest', ['run', 'packages/core/test/worlds', '--testTimeout=0'], {
  stdio: 'inherit',
  env: { ...process.env, RUNS: runs },
});
process.exitCode = status ?? 1;
