// What tidy looks at: every source file that git knows or would add, with its text and its import lines.
// Reading only; the rules are in the files beside this one.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/** One source file. */
export interface SourceFile {
  /** Path from the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** `packages/proxy`, `apps/gateway`, or '' for files outside any package. */
  readonly packageFolder: string;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Path from the root for a relative import, '' for a package or a built-in module. */
  readonly target: string;
  /** `export … from`. */
  readonly reExport: boolean;
  /** Only a file address (`new URL('./worker.ts', import.meta.url)`), nothing is imported. */
  readonly address: boolean;
}

/** One finding; `line` is 0 when the whole file is meant. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const IMPORTS =
  /^(?<form>import|export)\b[^'";]*?\bfrom\s*['"](?<from>[^'"]+)['"]|^import\s*['"](?<bare>[^'"]+)['"]|\bimport\(\s*['"](?<dynamic>[^'"]+)['"]\s*\)|\bnew URL\(\s*[`'"](?<address>\.[^`'"]+)[`'"]/gm;

/** Reads one file's text into what the rules ask for. */
export function sourceFile(path: string, text: string): SourceFile {
  const imports: Import[] = [];
  for (const match of text.matchAll(IMPORTS)) {
    const { form, from, bare, dynamic, address } = match.groups!;
    const specifier = from ?? bare ?? dynamic ?? address ?? '';
    imports.push({
      specifier,
      line: lineAt(text, match.index),
      // Worker programs are addressed with the extension of the file that runs: .ts here, .js once built.
      target: specifier.startsWith('.')
        ? posix.join(dirname(path), specifier.replace(/\$\{extension\}$/i, '.ts'))
        : '',
      reExport: form === 'export',
      address: address !== undefined,
    });
  }
  const [top, name] = path.split('/');
  const inPackage = (top === 'packages' || top === 'apps') && name !== undefined;
  return { path, text, packageFolder: inPackage ? `${top}/${name}` : '', imports };
}

/** 1-based line of a character position. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < position; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** All TypeScript and module JavaScript files of the repository, generated ones (git-ignored) left out. */
export function readSources(root: string): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', '*.ts', '*.mjs'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed
    .split('\n')
    .filter(path => path !== '' && !path.includes('/assembly/') && existsSync(join(root, path)))
    .sort()
    .map(path => sourceFile(path, readFileSync(join(root, path), 'utf8')));
}

export const isTest = (path: string): boolean => path.endsWith('.test.ts');

/** Tests and what stands beside them for tests only. */
export const isForTests = (path: string): boolean =>
  isTest(path) || /\/(testing|fixtures)\/|\/test-[^/]+\.ts$/.test(path);
