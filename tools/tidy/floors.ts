// The floors of the house: a package imports only from lower floors, through the other package's entry, and only
// what its package.json lists. docs/ARCHITECTURE.md shows the same table.

import type { Finding, SourceFile } from './source-tree.ts';
import { isForTests } from './source-tree.ts';

/** Floor of every package; an import must go down. */
export const FLOORS: Record<string, number> = {
  'packages/abi': 0,
  'packages/base': 0,
  'packages/testkit': 0,
  'packages/http': 1,
  'packages/shm': 1,
  'packages/config': 1,
  'packages/vm': 2,
  'packages/lua': 2,
  'packages/pool': 3,
  'packages/middleware': 3,
  'packages/proxy': 3,
  'packages/filters': 4,
  'packages/admin': 4,
  'packages/metrics': 4,
  'packages/tracing': 4,
  'apps/gateway': 5,
  'apps/sidecar': 5,
  'apps/plugin': 5,
};

/** Imports along one floor, each with its reason. */
const ALONG: Record<string, readonly string[]> = {
  // /stats/prometheus is an admin page rendered by metrics.
  'packages/admin': ['packages/metrics'],
  // The sidecar is the gateway with other defaults.
  'apps/sidecar': ['apps/gateway'],
};

/** What rules need to know of a package.json. */
export interface Manifest {
  readonly dependencies: ReadonlySet<string>;
  readonly floorTag: number | undefined;
}

/** Tools of tests and benchmarks: listed in the root's package.json, never imported by what is published. */
const isBench = (path: string) => /^benchmarks\/|\/bench\//.test(path);
const isTool = (file: SourceFile) => isForTests(file.path) || isBench(file.path) || file.packageFolder === '';

/** Checks one file's imports against the floors and its package's list of dependencies. */
export function checkFloors(file: SourceFile, manifest: Manifest | undefined): Finding[] {
  const findings: Finding[] = [];
  const report = (line: number, message: string) => findings.push({ path: file.path, line, message });
  for (const { specifier, line, target } of file.imports) {
    if (target !== '') {
      if (file.packageFolder !== '' && !target.startsWith(`${file.packageFolder}/`) && !isTool(file))
        report(line, `imports ${specifier}, a file outside its package`);
      continue;
    }
    if (specifier.startsWith('node:')) continue;
    if (!specifier.startsWith('@dragoman/')) {
      if (manifest && !isTool(file) && !manifest.dependencies.has(packageName(specifier)))
        report(line, `imports ${specifier}, which its package.json does not list`);
      continue;
    }
    checkHouseImport(file, specifier, manifest, message => report(line, message));
  }
  return findings;
}

function checkHouseImport(
  file: SourceFile,
  specifier: string,
  manifest: Manifest | undefined,
  report: (message: string) => void,
): void {
  const [, name, inner] = specifier.split('/');
  const imported = FLOORS[`packages/${name}`] === undefined ? `apps/${name}` : `packages/${name}`;
  if (inner !== undefined) report(`imports ${specifier}: other packages are imported by their entry only`);
  if (file.packageFolder === '' || imported === file.packageFolder) return;
  if (imported === 'packages/testkit') {
    if (!isForTests(file.path) && !isBench(file.path)) report('imports testkit, which is for tests only');
    return;
  }
  // Tests of a package may stand on anything below the applications, such as a filter's test on a whole worker.
  if (isForTests(file.path)) return;
  const own = FLOORS[file.packageFolder];
  const other = FLOORS[imported];
  if (own === undefined || other === undefined) {
    report(
      `imports ${specifier}, but the floors know no ${own === undefined ? file.packageFolder : imported}`,
    );
  } else if (other >= own && !ALONG[file.packageFolder]?.includes(imported)) {
    report(`imports ${specifier} (floor ${other}) from floor ${own}: imports go down only`);
  }
  if (manifest && !manifest.dependencies.has(`@dragoman/${name}`) && !isTool(file))
    report(`imports ${specifier}, which its package.json does not list`);
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? `${parts[0]}/${parts[1]}` : parts[0]!;
}

/** Nx sees the floors as tags: they must say the same as the table. */
export function checkFloorTag(folder: string, manifest: Manifest): Finding[] {
  if (manifest.floorTag === FLOORS[folder]) return [];
  const message = `nx tag floor:${manifest.floorTag ?? '?'}, but the floors say ${FLOORS[folder] ?? 'nothing'}`;
  return [{ path: `${folder}/package.json`, line: 0, message }];
}
