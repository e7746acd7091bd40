import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

test('the example of the readme runs', () => {
  const folder = join(import.meta.dirname, '..');
  const examples = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)];
  assert.equal(examples.length, 1);
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', examples[0][1]], {
    cwd: folder,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});
