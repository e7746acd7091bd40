// Runs the micro-benchmarks of the package in the working directory (bench/*.ts), one after the other, each in a
// process of its own so that none inherits another's optimised code. `nx bench` runs it.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(process.cwd(), 'bench');
const programs = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.ts')) : [];
if (programs.length === 0) process.stdout.write('no benchmarks here\n');
for (const program of programs.sort()) {
  process.stdout.write(`\n${program}\n`);
  const { status } = spawnSync(process.execPath, [join(folder, program)], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
