// Finds the .proto files the descriptor is made of: Envoy's v3 API in the npm package, what it imports, and the
// small additions under packages/config/proto. Leaves out v2 and files whose imports nobody ships. Build time only.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import protobuf from 'protobufjs';

const require = createRequire(import.meta.url);
const schemaPackage = path.dirname(require.resolve('@grpc/grpc-js-xds/package.json'));
const protobufPackage = path.dirname(require.resolve('protobufjs/package.json'));

/** Our own protos: dependencies of Envoy's that no package ships, and fields newer than the package. */
export const additionsFolder = path.join(import.meta.dirname, '../proto');

/** Import roots in the order they are tried. */
const importRoots = [
  ...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map(name =>
    path.join(schemaPackage, 'deps', name),
  ),
  path.join(additionsFolder, 'imports'),
  protobufPackage,
];

/** Folders of Envoy's tree that a configuration cannot name. */
const SKIPPED =
  /(^|\/)(v1|v2|v1alpha\d?|v2alpha\d?)\/|envoy\/config\/retry\/previous_priorities\/|cluster\/redis\/|envoy\/data\/(tap|core|cluster|dns)|envoy\/service\/(tap|event_reporting|redis_auth|extension|metrics|trace)\//;

/** The well-known types that protobufjs carries in its own code. */
const isBundled = (name: string): boolean => name in protobuf.common;

/** The file an import names, or null when no root has it. */
export function resolveImport(name: string): string | null {
  if (isBundled(name)) return name;
  for (const root of importRoots) {
    const file = path.join(root, name);
    if (existsSync(file)) return file;
  }
  return null;
}

function* protosBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* protosBelow(file);
    else if (entry.name.endsWith('.proto')) yield file;
  }
}

const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^import (?:public )?"([^"]+)"/gm)].map(match => match[1]!);

/** Import names of every usable proto, dependencies included, sorted. */
export function findProtos(): { usable: string[]; left: string[] } {
  const known = new Map<string, boolean>();
  const usable = (name: string): boolean => {
    const seen = known.get(name);
    if (seen !== undefined) return seen;
    known.set(name, true);
    const file = resolveImport(name);
    const good = file !== null && (isBundled(name) || importsOf(file).every(usable));
    known.set(name, good);
    return good;
  };
  const left: string[] = [];
  const envoyRoot = importRoots[0]!;
  const names: string[] = [];
  for (const root of importRoots.slice(0, 2)) {
    for (const file of protosBelow(root)) {
      const name = path.relative(root, file).replaceAll('\\', '/');
      if (root === envoyRoot && SKIPPED.test(name)) continue;
      if (usable(name)) names.push(name);
      else left.push(name);
    }
  }
  return { usable: names.sort(), left: left.sort() };
}
