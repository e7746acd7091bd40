// Rules about a single file: its name, its header comment, its length, what it re-exports, and words that must
// not stay. The length of functions is Biome's rule (biome.json, noExcessiveLinesPerFunction).

import { basename } from 'node:path';
import type { Finding, SourceFile } from './source-tree.ts';
import { isTest, lineAt } from './source-tree.ts';

/** Past 400 lines a file usually hides a second idea; past this many it must be cut. */
export const FILE_LINES_MAX = 500;
/** A table of cases is long without being complicated. */
export const TEST_FILE_LINES_MAX = 900;

const BANNED_NAMES = new Set(['util', 'utils', 'common', 'helper', 'helpers', 'misc', 'manager2']);
const NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(ts|mjs)$/;
const UNFINISHED = /\b(TODO|FIXME|XXX|HACK)\b/;
const NARROWED = /\b(test|it|describe|suite)\.(only|todo)\(/;

export function checkStyle(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  const report = (line: number, message: string) => findings.push({ path: file.path, line, message });
  checkName(file, report);
  checkLength(file, report);
  // A test is named after what it tests.
  if (!isTest(file.path) && !/^(#![^\n]*\n)?(\/\/|\/\*)/.test(file.text))
    report(1, 'opens without a header comment');
  if (basename(file.path) !== 'index.ts')
    // Generated types have no place of their own among the sources.
    for (const { reExport, line, specifier } of file.imports)
      if (reExport && !specifier.includes('/descriptor/'))
        report(line, `re-exports ${specifier}: only a package entry does that`);
  // The rules name the words they look for.
  if (file.path.startsWith('tools/tidy')) return findings;
  const unfinished = UNFINISHED.exec(file.text);
  if (unfinished) report(lineAt(file.text, unfinished.index), `${unfinished[0]} left in the text`);
  const narrowed = isTest(file.path) ? NARROWED.exec(file.text) : null;
  if (narrowed) report(lineAt(file.text, narrowed.index), `${narrowed[0]} narrows the suite`);
  return findings;
}

function checkName(file: SourceFile, report: (line: number, message: string) => void): void {
  if (!NAME.test(basename(file.path))) report(0, 'file names are kebab-case');
  for (const part of file.path.split('/')) {
    const word = part.replace(/(\.test|\.d)?\.(ts|mjs)$/, '');
    if (BANNED_NAMES.has(word)) report(0, `"${word}" says nothing about what lives there`);
  }
}

function checkLength(file: SourceFile, report: (line: number, message: string) => void): void {
  const lines = file.text.split('\n').length - 1;
  const max = isTest(file.path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
  if (lines > max) report(0, `${lines} lines, at most ${max}: look for the second idea`);
}
