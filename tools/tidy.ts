// Checks the style of the house that neither the compiler nor Biome knows: floors, sizes, names, header comments,
// re-exports, unused files, documented error codes, ABI statements without a test. `npm test` runs it, and
// `npm run tidy` runs it alone.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DOCUMENT as CONFORMANCE, checkConformance } from './abi-statements/conformance-table.ts';
import { checkErrorCodes } from './tidy/error-codes.ts';
import { checkFloors, checkFloorTag, type Manifest } from './tidy/floors.ts';
import { checkReachability } from './tidy/reachability.ts';
import { type Finding, readSources } from './tidy/source-tree.ts';
import { checkStyle } from './tidy/style.ts';

/** All findings in the repository at `root`. */
export function tidy(root: string): { files: number; findings: Finding[] } {
  const files = readSources(root);
  const manifests = readManifests(root);
  const findings: Finding[] = [];
  for (const file of files) {
    findings.push(...checkStyle(file), ...checkFloors(file, manifests.get(file.packageFolder)));
  }
  for (const [folder, manifest] of manifests) findings.push(...checkFloorTag(folder, manifest));
  findings.push(
    ...checkReachability(files),
    ...checkErrorCodes(files, readDocument(root, 'docs/ERRORS.md')),
    ...checkConformance(files, readDocument(root, CONFORMANCE)),
  );
  return { files: files.length, findings };
}

function readDocument(root: string, path: string): string {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '';
}

function readManifests(root: string): Map<string, Manifest> {
  const manifests = new Map<string, Manifest>();
  for (const top of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, top))) {
      const path = join(root, top, name, 'package.json');
      if (!existsSync(path)) continue;
      const { dependencies = {}, nx } = JSON.parse(readFileSync(path, 'utf8'));
      const tag = (nx?.tags as string[] | undefined)?.find(each => each.startsWith('floor:'));
      manifests.set(`${top}/${name}`, {
        dependencies: new Set(Object.keys(dependencies)),
        floorTag: tag === undefined ? undefined : Number(tag.slice('floor:'.length)),
      });
    }
  }
  return manifests;
}

if (import.meta.main) {
  const { files, findings } = tidy(resolve(import.meta.dirname, '..'));
  for (const { path, line, message } of findings)
    process.stdout.write(`${path}${line > 0 ? `:${line}` : ''}  ${message}\n`);
  process.stdout.write(
    findings.length === 0 ? `tidy: ${files} files, all in order\n` : `tidy: ${findings.length} findings\n`,
  );
  process.exitCode = findings.length === 0 ? 0 : 1;
}
