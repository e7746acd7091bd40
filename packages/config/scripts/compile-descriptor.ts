// Compiles Envoy's protos into packages/config/descriptor: descriptor.json (the tables src/schema reads) and types.ts
// (one interface per message). Runs in `npm run prepare` and before publishing; nothing of it runs in the proxy.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';
import { addNewerFields } from './newer-fields.ts';
import { findProtos, resolveImport } from './proto-files.ts';
import { rulesOf } from './rules.ts';
import { writeTypes } from './type-writer.ts';

const outputFolder = path.join(import.meta.dirname, '../descriptor');

/** `[name, number, type, flags, oneof, rules]`, trailing zeros cut; see src/schema/descriptor.ts for the meaning. */
export type FieldRow = (string | number | object)[];
export type MessageRow = { f: FieldRow[]; o?: [string, number][]; x?: 1 };
export type Descriptor = {
  messages: Record<string, MessageRow>;
  enums: Record<string, [string, number, number?][]>;
};

const REPEATED = 1;
const OPTIONAL = 2;
const DEPRECATED = 4;
const DISALLOWED = 8;

function loadRoot(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, name) => resolveImport(name);
  const { usable, left } = findProtos();
  root.loadSync(usable, { keepCase: true });
  addNewerFields(root);
  root.resolveAll();
  console.log(`descriptor: ${usable.length} protos; left out for missing imports: ${left.length}`);
  return root;
}

const fullName = (object: protobuf.ReflectionObject): string => object.fullName.slice(1);

function typeOf(field: protobuf.Field): string {
  return field.resolvedType === null ? field.type : fullName(field.resolvedType);
}

function fieldRow(field: protobuf.Field, oneofs: string[]): FieldRow {
  const optional = field.options?.proto3_optional === true;
  let flags = 0;
  if (field.repeated) flags |= REPEATED;
  if (optional) flags |= OPTIONAL;
  if (field.options?.deprecated === true) flags |= DEPRECATED;
  if (field.options?.['(envoy.annotations.disallowed_by_default)'] === true) flags |= DISALLOWED;
  const type = field instanceof protobuf.MapField ? `${field.keyType}>${typeOf(field)}` : typeOf(field);
  const oneof = field.partOf === null || optional ? 0 : oneofs.indexOf(field.partOf.name) + 1;
  const row: FieldRow = [field.name, field.id, type, flags, oneof, rulesOf(field) ?? 0];
  while (row.at(-1) === 0) row.pop();
  return row;
}

function messageRow(type: protobuf.Type): MessageRow {
  const real = type.oneofsArray.filter(oneof => !oneof.fieldsArray.some(f => f.options?.proto3_optional));
  const row: MessageRow = {
    f: type.fieldsArray.map(field =>
      fieldRow(
        field.resolve(),
        real.map(oneof => oneof.name),
      ),
    ),
  };
  if (real.length > 0) {
    row.o = real.map(oneof => [oneof.name, oneof.options?.['(validate.required)'] === true ? 1 : 0]);
  }
  if (type.options?.['(validate.disabled)'] === true || type.options?.['(validate.ignored)'] === true)
    row.x = 1;
  return row;
}

function enumRow(type: protobuf.Enum): [string, number, number?][] {
  return Object.entries(type.values).map(([name, number]) => {
    const options = type.valuesOptions?.[name] as Record<string, unknown> | undefined;
    let flags = options?.deprecated === true ? DEPRECATED : 0;
    if (options?.['(envoy.annotations.disallowed_by_default_enum)'] === true) flags |= DISALLOWED;
    return flags === 0 ? [name, number] : [name, number, flags];
  });
}

const KEPT =
  /^(envoy|udpa\.type|xds\.(type|core|data|service)|google\.(protobuf|rpc|api\.expr)|cel|opentelemetry)\b/;

function describe(root: protobuf.Root): Descriptor {
  const descriptor: Descriptor = { messages: {}, enums: {} };
  const visit = (object: protobuf.ReflectionObject): void => {
    if (object instanceof protobuf.Enum) {
      if (KEPT.test(fullName(object))) descriptor.enums[fullName(object)] = enumRow(object);
    } else if (object instanceof protobuf.Type) {
      if (KEPT.test(fullName(object))) descriptor.messages[fullName(object)] = messageRow(object);
    }
    if (object instanceof protobuf.Namespace) object.nestedArray.forEach(visit);
  };
  root.nestedArray.forEach(visit);
  for (const name of Object.keys(descriptor.messages)) {
    if (
      /^google\.protobuf\.(File|Descriptor|Method|Service|Enum(?!\b$)|Field(?!Mask)|Oneof|Message|Source|Extension|Feature|Generated|Uninterpreted)/.test(
        name,
      )
    )
      delete descriptor.messages[name];
  }
  return descriptor;
}

const descriptor = describe(loadRoot());
mkdirSync(outputFolder, { recursive: true });
const text = JSON.stringify(descriptor);
writeFileSync(path.join(outputFolder, 'descriptor.json'), text);
writeFileSync(path.join(outputFolder, 'types.ts'), writeTypes(descriptor));
console.log(
  `descriptor: ${Object.keys(descriptor.messages).length} messages, ${Object.keys(descriptor.enums).length} enums, ${Math.round(text.length / 1024)} KiB`,
);
