// The list of statements, and how tests are found and held against the document.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConformance, conformanceDocument, findNamedTests } from './abi-statements/conformance-table.ts';
import { STATEMENTS } from './abi-statements/statements.ts';
import { sourceFile } from './tidy/source-tree.ts';

/** One test for every statement but `missing`. */
function testsOfAll(missing: number, more = '') {
  const names = STATEMENTS.filter(({ number }) => number !== missing).map(({ number }) => `S${number}`);
  return [sourceFile('packages/vm/src/all.test.ts', `test('${names.join(', ')}: all', () => {});\n${more}`)];
}

test('the statements are numbered from 1 to 110 without a gap', () => {
  assert.deepEqual(
    STATEMENTS.map(({ number }) => number),
    Array.from({ length: 110 }, (_, index) => index + 1),
  );
});

test('names of tests are found in every way they are written', () => {
  const text = [
    "test('S1: one', () => {});",
    'test(\n  `S2, S30: $' + '{what} is two`,\n);',
    'test("S4: it’s four", () => {});',
    "test('five, without a number', () => {});",
  ].join('\n');
  assert.deepEqual(findNamedTests([sourceFile('packages/vm/src/a.test.ts', text)]), [
    { path: 'packages/vm/src/a.test.ts', name: 'one', numbers: [1] },
    { path: 'packages/vm/src/a.test.ts', name: '$' + '{what} is two', numbers: [2, 30] },
    { path: 'packages/vm/src/a.test.ts', name: 'it’s four', numbers: [4] },
  ]);
});

test('a statement without a test is found', () => {
  const files = testsOfAll(77);
  const [finding] = checkConformance(files, conformanceDocument(files));
  assert.match(finding!.message, /^no test is named after S77: /);
});

test('a document that was made from the tests is in order, also when tests have come since', () => {
  const document = conformanceDocument(testsOfAll(0));
  assert.deepEqual(checkConformance(testsOfAll(0), document), []);
  assert.deepEqual(checkConformance(testsOfAll(0, "test('S5: new', () => {});\n"), document), []);
});

test('a document that names a test which is gone, and a test of a statement there is not', () => {
  const document = conformanceDocument(testsOfAll(0, "test('S5: old', () => {});\n"));
  const messages = checkConformance(testsOfAll(0, "test('S111: no', () => {});\n"), document).map(
    ({ message }) => message,
  );
  assert.deepEqual(messages, [
    'there is no S111: "no"',
    'S5 names a test that is gone: run node tools/abi-statements.ts',
  ]);
});
