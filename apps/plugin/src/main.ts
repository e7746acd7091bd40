// dragoman-plugin: looks into plugins, runs and tests them without a proxy, and measures them.

import { runCommand } from './command-line.ts';

process.exitCode = await runCommand(
  process.argv,
  text => process.stdout.write(text),
  text => process.stderr.write(text),
);
