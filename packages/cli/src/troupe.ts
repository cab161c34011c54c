#!/usr/bin/env node
// Nothing but this is loaded before it is known that this Node can run it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 16)) {
  process.stderr.write(`troupe needs Node 22.16 or later; this is Node ${process.versions.node}: https://nodejs.org\n`);
  process.exitCode = 1;
} else {
  const { troupeCommand } = await import('./troupe-command.ts');
  process.exitCode = await troupeCommand(process.argv.slice(2), {
    input: process.stdin,
    output: process.stdout,
    errors: process.stderr,
    folder: process.cwd(),
    environment: process.env,
  });
}
