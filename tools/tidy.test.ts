// Each rule of tidy is shown a file that breaks it; that the repository itself keeps them is `npm run tidy`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkErrorCodes } from './tidy/error-codes.ts';
import { checkFloors, checkFloorTag } from './tidy/floors.ts';
import { checkReachability } from './tidy/reachability.ts';
import { sourceFile } from './tidy/source-tree.ts';
import { checkStyle, FILE_LINES_MAX } from './tidy/style.ts';

const HEADER = '// What lives here.\n';
const file = (path: string, text: string) => sourceFile(path, HEADER + text);
const messages = (findings: { message: string }[]) => findings.map(finding => finding.message);
const manifest = { dependencies: new Set(['@dragoman/base', '@dragoman/proxy', 'yaml']), floorTag: 1 };

test('an import that goes up is found, with its line', () => {
  const upward = file('packages/http/src/a.ts', "import type { X } from '@dragoman/proxy';\n");
  const [finding] = checkFloors(upward, manifest);
  assert.equal(finding?.line, 2);
  assert.match(finding!.message, /floor 3\) from floor 1/);
});

test('imports that go down, to built-in modules and to listed packages are fine', () => {
  const text =
    "import { a } from '@dragoman/base';\nimport net from 'node:net';\nimport { parse } from 'yaml';\n";
  assert.deepEqual(checkFloors(file('packages/config/src/a.ts', text), manifest), []);
});

test('an import of many lines is read', () => {
  const text = "import {\n  a,\n  b,\n} from '@dragoman/proxy';\n";
  assert.equal(checkFloors(file('packages/http/src/a.ts', text), manifest).length, 1);
});

test('unlisted packages, inner files of other packages and paths out of the package are found', () => {
  const text =
    "import a from 'left-pad';\nimport b from '@dragoman/base/src/clock.ts';\nimport c from '../../base/src/clock.ts';\n";
  const found = messages(checkFloors(file('packages/http/src/a.ts', text), manifest));
  assert.equal(found.length, 3);
  assert.match(found[0]!, /package.json does not list/);
  assert.match(found[1]!, /entry only/);
  assert.match(found[2]!, /outside its package/);
});

test('testkit is for tests', () => {
  const text = "import { FakeClock } from '@dragoman/testkit';\n";
  assert.equal(checkFloors(file('packages/http/src/a.ts', text), manifest).length, 1);
  assert.equal(checkFloors(file('packages/http/src/a.test.ts', text), manifest).length, 0);
});

test('metrics serves admin on the same floor, nobody else', () => {
  const text = "import { render } from '@dragoman/metrics';\n";
  const lists = { dependencies: new Set(['@dragoman/metrics']), floorTag: 4 };
  assert.equal(checkFloors(file('packages/admin/src/a.ts', text), lists).length, 0);
  assert.equal(checkFloors(file('packages/filters/src/a.ts', text), lists).length, 1);
});

test('a tag that contradicts the floors is found', () => {
  assert.equal(checkFloorTag('packages/http', { dependencies: new Set(), floorTag: 1 }).length, 0);
  assert.equal(checkFloorTag('packages/http', { dependencies: new Set(), floorTag: 2 }).length, 1);
});

test('names, missing headers, length, re-exports, leftovers and narrowed suites are found', () => {
  const one = (path: string, text: string) => messages(checkStyle(sourceFile(path, text))).join();
  assert.match(one('packages/http/src/util.ts', HEADER), /says nothing/);
  assert.match(one('packages/http/src/misc/a.ts', HEADER), /says nothing/);
  assert.match(one('packages/http/src/HeaderMap.ts', HEADER), /kebab-case/);
  assert.match(one('packages/http/src/a.ts', 'export const a = 1;\n'), /header comment/);
  assert.match(one('packages/http/src/a.ts', HEADER + 'x\n'.repeat(FILE_LINES_MAX)), /second idea/);
  assert.match(one('packages/http/src/a.ts', `${HEADER}export { b } from './b.ts';\n`), /re-exports/);
  assert.match(one('packages/http/src/a.ts', `${HEADER}// TODO later\n`), /TODO left/);
  assert.match(one('packages/http/src/a.test.ts', `${HEADER}test.only('x', () => {});\n`), /narrows/);
  assert.equal(one('packages/http/src/index.ts', `${HEADER}export { b } from './b.ts';\n`), '');
});

test('a file nothing leads to is found, one that only tests use, too', () => {
  const files = [
    file('packages/http/src/index.ts', "export { a } from './a.ts';\n"),
    file('packages/http/src/a.ts', "export const worker = new URL('./b.ts', import.meta.url);\n"),
    file('packages/http/src/b.ts', ''),
    file('packages/http/src/lost.ts', ''),
    file('packages/http/src/a.test.ts', "import './only-tested.ts';\n"),
    file('packages/http/src/only-tested.ts', ''),
  ];
  const found = checkReachability(files);
  assert.deepEqual(
    found.map(({ path }) => path),
    ['packages/http/src/lost.ts', 'packages/http/src/only-tested.ts'],
  );
});

test('error codes are compared with their document in both directions', () => {
  const thrower = file('packages/http/src/a.ts', "throw new DragomanError('NEW_FACT', 'text');\n");
  const found = messages(checkErrorCodes([thrower], '`ERR_DRAGOMAN_OLD_FACT`'));
  assert.match(found.join(), /NEW_FACT is not explained/);
  assert.match(found.join(), /OLD_FACT is thrown nowhere/);
  assert.deepEqual(checkErrorCodes([thrower], '`ERR_DRAGOMAN_NEW_FACT`'), []);
});
