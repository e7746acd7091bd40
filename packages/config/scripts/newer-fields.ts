// Adds to Envoy's messages the fields that are newer than the npm package. They are written as ordinary messages of the
// same name in packages/config/proto/newer/*.proto, with only the new fields; an old field there gets the options (rules) written there. Build time only.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';
import { additionsFolder } from './proto-files.ts';

function mergeType(into: protobuf.Type, from: protobuf.Type): void {
  for (const field of from.fieldsArray) {
    const existing = into.fields[field.name];
    if (existing !== undefined) {
      existing.options = field.options;
      existing.parsedOptions = field.parsedOptions;
      continue;
    }
    const oneofName = field.partOf?.name;
    field.partOf?.remove(field);
    from.remove(field);
    into.add(field);
    if (oneofName === undefined) continue;
    if (into.oneofs?.[oneofName] === undefined) into.add(new protobuf.OneOf(oneofName));
    into.oneofs[oneofName]!.add(field);
  }
  mergeNested(into, from);
}

function mergeNested(into: protobuf.NamespaceBase, from: protobuf.NamespaceBase): void {
  for (const object of [...from.nestedArray]) {
    const existing = into.get(object.name);
    if (existing === null) {
      from.remove(object);
      into.add(object);
    } else if (existing instanceof protobuf.Type && object instanceof protobuf.Type)
      mergeType(existing, object);
    else if (existing instanceof protobuf.Enum && object instanceof protobuf.Enum) {
      for (const [name, id] of Object.entries(object.values))
        if (!(name in existing.values)) existing.add(name, id);
    } else if (existing instanceof protobuf.Namespace && object instanceof protobuf.Namespace) {
      mergeNested(existing, object);
    }
  }
}

/** Merges every file of packages/config/proto/newer into `root`. */
export function addNewerFields(root: protobuf.Root): void {
  const folder = path.join(additionsFolder, 'newer');
  if (!existsSync(folder)) return;
  for (const file of readdirSync(folder).sort()) {
    const parsed = protobuf.parse(readFileSync(path.join(folder, file), 'utf8'), { keepCase: true });
    mergeNested(root, parsed.root);
  }
}
