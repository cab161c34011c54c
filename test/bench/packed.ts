// An empty project that has installed packages as they would be published, with everything that they depend on and nothing else.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

export type Project = {
  folder: string;
  /** Every package in it, as `name version`. */
  packages: string[];
  /** Bytes of the tarball of core. */
  tarballBytes: number;
  remove(): void;
};

/** Builds and packs packages by the names of their folders, and installs them. @throws Error where the registry cannot be reached. */
export const installPacked = async (names: readonly string[]): Promise<Project> => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-packed-'));
  try {
    const rooms = names.map((name) => join(root, 'packages', name));
    for (const room of rooms) rmSync(join(room, 'dist'), { recursive: true, force: true });
    await run('tsc', ['-b', ...rooms], { cwd: root });
    const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      packageManager: string;
    };
    const tarballs = join(folder, 'tarballs');
    const filters = names.map((name) => `--filter=@troupe/${name}`);
    await run('npx', ['--yes', packageManager, '--recursive', ...filters, 'pack', '--pack-destination', tarballs], {
      cwd: root,
    });
    const project = join(folder, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    const paths = readdirSync(tarballs).map((name) => join(tarballs, name));
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
    await run('npm', ['install', ...quiet, ...paths], { cwd: project });
    const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    const packages = Object.entries(lock.packages)
      .filter(([path]) => path !== '')
      .map(([path, { version }]) => `${path.slice(path.lastIndexOf('node_modules/') + 13)} ${version}`);
    const tarball = paths.find((path) => path.includes('core')) ?? '';
    return {
      folder: project,
      packages,
      tarballBytes: readFileSync(tarball).length,
      remove: () => rmSync(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
};

/** Brings the programs of the benchmark along, so that ours and the floors load the same packages from the same place. */
export const withPrograms = (folder: string): Record<string, string> => {
  const here = join(root, 'test', 'bench');
  for (const name of ['script.mjs', 'cold-worker.mjs', 'loaded-modules.mjs', 'floors'])
    cpSync(join(here, name), join(folder, name), { recursive: true });
  cpSync(join(root, 'examples', 'bench-adapter', 'adapter.mjs'), join(folder, 'troupe.mjs'));
  const floors = ['xstate-lean', 'xstate', 'handwritten'].map((name) => [name, join(folder, 'floors', `${name}.mjs`)]);
  return { troupe: join(folder, 'troupe.mjs'), ...Object.fromEntries(floors) };
};
