#!/usr/bin/env node
// Nothing but this is loaded before it is known that this Node can run it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 16)) {
  process.stderr.write(`troupe needs Node 22.16 or later; this is Node ${process.versions.node}: https://nodejs.org\n`);
  process.exitCode = 1;
} else {
  const { openSignals } = await import('./signals.ts');
  const args = process.argv.slice(2);
  // What reads only is broken off without a word.
  const mayRun = /^(?:run|answer|steer|resume|raise|interrupt|fork)$/.test(args[0] ?? '');
  const early = 'Stopped before a run had begun here.';
  const said = args.includes('--json')
    ? JSON.stringify({ error: { code: 'cli.stopped', message: early, retryable: false } })
    : `troupe: ${early}`;
  const signals = openSignals({
    leave(code, isEarly) {
      if (isEarly) return void process.stderr.write(mayRun ? `${said}\n` : '', () => process.exit(code));
      // To exit is to wait for what other threads do, a store that is locked among them; a signal is obeyed at once.
      const signal = code === 143 ? 'SIGTERM' : 'SIGINT';
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    },
  });
  const { troupeCommand } = await import('./troupe-command.ts');
  const { stdin: input, stdout: output, stderr: errors } = process;
  const code = await troupeCommand(args, {
    input,
    output,
    errors,
    folder: process.cwd(),
    environment: process.env,
    signals,
  });
  await Promise.all([output, errors].map((stream) => new Promise<unknown>((written) => stream.write('', written))));
  // What a tool or an agent file has left open keeps nobody waiting.
  process.exit(code);
}
