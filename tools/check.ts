// `npm test`: format and lint, types, tidy, then every test in one run of Node's test runner, whose summary closes
// the output. A failing check does not keep the tests from running, but it fails the whole.

import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const tool = (name: string) => join(root, 'node_modules', '.bin', name);

const TESTS = [
  'packages/*/src/**/*.test.ts',
  'apps/*/src/**/*.test.ts',
  'tools/**/*.test.ts',
  'benchmarks/**/*.test.ts',
];

/** A test that takes longer hangs: better a failure with a name than no end. */
const TEST_LIMIT_MS = 120_000;

function run(title: string, command: string, args: string[]): boolean {
  process.stdout.write(`\n${title}\n`);
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

const checks = [
  run('Format and lint', tool('biome'), ['check', '.']),
  run('Types', tool('tsc'), ['-p', 'tsconfig.json']),
  run('Tidy', process.execPath, [join(import.meta.dirname, 'tidy.ts')]),
];
const tested = run('Tests', process.execPath, [
  '--test',
  '--test-concurrency=2',
  '--test-force-exit',
  `--test-timeout=${TEST_LIMIT_MS}`,
  ...TESTS,
]);
process.exitCode = tested && checks.every(Boolean) ? 0 : 1;
