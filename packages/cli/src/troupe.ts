#!/usr/bin/env node
import { troupeCommand } from './troupe-command.ts';

process.exitCode = await troupeCommand(process.argv.slice(2), {
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  folder: process.cwd(),
  environment: process.env,
});
