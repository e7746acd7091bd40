// Finds the tests that are named after statements, and makes and checks docs/ABI_CONFORMANCE.md. Pure functions.

import { type Finding, isTest, type SourceFile } from '../tidy/source-tree.ts';
import { CHAPTERS, STATEMENTS } from './statements.ts';

export const DOCUMENT = 'docs/ABI_CONFORMANCE.md';

/** One test that names statements: "S41, S95: what is known of a request". */
interface NamedTest {
  readonly path: string;
  readonly name: string;
  readonly numbers: readonly number[];
}

const TEST_NAME = /\btest\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
const STATEMENT_PREFIX = /^((?:S\d+(?:, )?)+): (.*)$/s;

export function findNamedTests(files: readonly SourceFile[]): NamedTest[] {
  const tests: NamedTest[] = [];
  for (const { path, text } of files) {
    if (!isTest(path) || path.startsWith('tools/')) continue;
    for (const [, , name] of text.matchAll(TEST_NAME)) {
      const match = STATEMENT_PREFIX.exec(name!);
      if (match === null) continue;
      const numbers = match[1]!.split(', ').map(part => Number(part.slice(1)));
      tests.push({ path, name: match[2]!.replace(/\\(.)/g, '$1'), numbers });
    }
  }
  return tests;
}

/** The whole document. */
export function conformanceDocument(files: readonly SourceFile[]): string {
  const tests = findNamedTests(files);
  const lines = [
    '# Conformance to the Proxy-Wasm ABI',
    '',
    'What a host of the ABI has to do, as numbered statements, and the tests that show it. The tests carry the number in',
    'their name. Made by `node tools/abi-statements.ts`; `npm run tidy` fails when a statement has no test.',
  ];
  for (const { title, from, statements } of CHAPTERS) {
    lines.push('', `## ${title}`, '', '| | Statement | Tests |', '|---|---|---|');
    for (const [index, text] of statements.entries()) {
      const number = from + index;
      const cells = tests.filter(test => test.numbers.includes(number)).map(testCell);
      lines.push(`| S${number} | ${text} | ${cells.join('<br>')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const testCell = ({ path, name }: NamedTest): string => `\`${path}\`: ${name.replaceAll('|', '\\|')}`;

/**
 * Statements without a test, tests of statements that do not exist, and a document that promises tests which are gone.
 * Tests that have come since do not make the document wrong.
 */
export function checkConformance(files: readonly SourceFile[], document: string): Finding[] {
  const tests = findNamedTests(files);
  const findings: Finding[] = [];
  const tested = new Set(tests.flatMap(({ numbers }) => numbers));
  const numbers = new Set(STATEMENTS.map(({ number }) => number));
  for (const { number, text } of STATEMENTS) {
    if (!tested.has(number))
      findings.push({ path: DOCUMENT, line: 0, message: `no test is named after S${number}: ${text}` });
    if (!document.includes(`| S${number} | ${text} | \``))
      findings.push({ path: DOCUMENT, line: 0, message: `S${number} is not as in statements.ts: ${REMEDY}` });
  }
  for (const { path, name, numbers: named } of tests)
    for (const number of named)
      if (!numbers.has(number))
        findings.push({ path, line: 0, message: `there is no S${number}: "${name}"` });
  const cells = new Set(tests.map(testCell));
  for (const line of document.split('\n')) {
    const row = /^\| S(\d+) \| .*? \| (.*) \|$/.exec(line);
    for (const cell of row?.[2]?.split('<br>') ?? [])
      if (!cells.has(cell))
        findings.push({
          path: DOCUMENT,
          line: 0,
          message: `S${row![1]} names a test that is gone: ${REMEDY}`,
        });
  }
  return findings;
}

const REMEDY = 'run node tools/abi-statements.ts';
