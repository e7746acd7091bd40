import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const folder = path.join(import.meta.dirname, '..');
const blocks = [...readFileSync(path.join(folder, 'README.md'), 'utf8').matchAll(/```(\w+)\n(.*?)```/gs)];
const run = (code: string): string =>
  execFileSync(process.execPath, ['--input-type=module-typescript', '-e', code], {
    cwd: folder,
    encoding: 'utf8',
  });

test('the examples of the README run, and print what it says', () => {
  const [example, output, support] = blocks.map(([, , text]) => text!);
  assert.equal(run(example!), output);
  assert.equal(run(support!), '');
});
