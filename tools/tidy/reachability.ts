// Finds files that nothing leads to: neither an entry, a test, a benchmark or a tool, nor imported from one.

import type { Finding, SourceFile } from './source-tree.ts';
import { isForTests, isTest } from './source-tree.ts';

/** Files that are started or found by name rather than imported. */
const STARTED =
  /^(tools\/[^/]+\.ts|benchmarks\/.*|examples\/.*|(packages|apps)\/[^/]+\/(scripts|bench)\/[^/]+|(packages|apps)\/[^/]+\/src\/(index|main)\.ts)$/;

/** Every file must be reachable from one that is started; files only tests reach belong into testkit. */
export function checkReachability(files: readonly SourceFile[]): Finding[] {
  const byPath = new Map(files.map(file => [file.path, file]));
  const product = reach(byPath, path => STARTED.test(path));
  const all = reach(byPath, path => STARTED.test(path) || isTest(path));
  const findings: Finding[] = [];
  for (const { path, packageFolder } of files) {
    // Ambient declarations are found by the compiler, not by an import.
    if (isTest(path) || path.endsWith('.d.ts') || product.has(path)) continue;
    if (!all.has(path)) findings.push({ path, line: 0, message: 'nothing imports this file' });
    else if (packageFolder !== 'packages/testkit' && !isForTests(path))
      findings.push({
        path,
        line: 0,
        message: 'only tests import this file: it belongs into testkit or testing/',
      });
  }
  return findings;
}

function reach(byPath: Map<string, SourceFile>, isRoot: (path: string) => boolean): Set<string> {
  const reached = new Set<string>();
  const open = [...byPath.keys()].filter(isRoot);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { target } of byPath.get(path)?.imports ?? []) if (byPath.has(target)) open.push(target);
  }
  return reached;
}
