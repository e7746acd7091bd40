// Envoy's messages and enums as tables, read from descriptor/descriptor.json on first use. A message's table is
// built when something first asks for it: a typical file touches a tenth of them. Main thread only.

import { readFileSync } from 'node:fs';
import { descriptorMissing } from '../errors.ts';

/** How a value is written, decoded and encoded. */
export type FieldKind =
  | 'double'
  | 'float'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'uint64'
  | 'sint32'
  | 'sint64'
  | 'fixed32'
  | 'fixed64'
  | 'sfixed32'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes'
  | 'enum'
  | 'message';

/** One kind's rules out of `validate.rules`, e.g. `{ min_len: 1 }`; durations are milliseconds. */
export type RuleValues = Record<string, unknown>;
/** Rules by kind, e.g. `{ string: { min_len: 1 } }`. */
export type FieldRules = Record<string, RuleValues>;

/** One field of a message. */
export class FieldSchema {
  /** The proto name, `connect_timeout`. */
  readonly name: string;
  /** The name in JSON and in decoded objects, `connectTimeout`. */
  readonly jsonName: string;
  readonly number: number;
  readonly kind: FieldKind;
  /** Full name of the message or enum, '' for scalars. */
  readonly typeName: string;
  readonly repeated: boolean;
  /** The kind of a map's keys, or null. A map's `kind` and `typeName` are its values'. */
  readonly mapKey: FieldKind | null;
  /** 1-based index of the oneof it belongs to, 0 for none. */
  readonly oneof: number;
  /** Whether absence can be told from the default value: messages, oneof members, `optional` scalars. */
  readonly hasPresence: boolean;
  readonly deprecated: boolean;
  /** Deprecated and refused by Envoy unless the runtime allows it. */
  readonly disallowed: boolean;
  readonly rules: FieldRules | null;

  constructor(row: FieldRow, enums: Record<string, unknown>) {
    const [name, number, type, flags = 0, oneof = 0, rules = 0] = row;
    const split = type.indexOf('>');
    const value = type.slice(split + 1);
    this.name = name;
    this.jsonName = camelCase(name);
    this.number = number;
    this.typeName = value.includes('.') ? value : '';
    this.kind = (this.typeName === '' ? value : value in enums ? 'enum' : 'message') as FieldKind;
    this.repeated = (flags & 1) !== 0;
    this.mapKey = split < 0 ? null : (type.slice(0, split) as FieldKind);
    this.oneof = oneof;
    this.hasPresence = this.kind === 'message' || oneof !== 0 || (flags & 2) !== 0;
    this.deprecated = (flags & 4) !== 0;
    this.disallowed = (flags & 8) !== 0;
    this.rules = rules === 0 ? null : rules;
  }
}

/** One message. */
export class MessageSchema {
  readonly name: string;
  readonly fields: FieldSchema[];
  /** By proto name and by JSON name. */
  readonly byName = new Map<string, FieldSchema>();
  readonly byNumber = new Map<number, FieldSchema>();
  /** Names of the oneofs and whether one member must be set; `FieldSchema.oneof` counts from 1. */
  readonly oneofs: readonly { name: string; required: boolean }[];
  /** `validate.disabled` or `validate.ignored`. */
  readonly unchecked: boolean;

  constructor(name: string, row: MessageRow, enums: Record<string, unknown>) {
    this.name = name;
    this.fields = row.f.map(field => new FieldSchema(field, enums));
    for (const field of this.fields) {
      this.byName.set(field.jsonName, field);
      this.byName.set(field.name, field);
      this.byNumber.set(field.number, field);
    }
    this.oneofs = (row.o ?? []).map(([oneof, required]) => ({ name: oneof, required: required === 1 }));
    this.unchecked = row.x === 1;
  }
}

/** One enum. */
export class EnumSchema {
  readonly name: string;
  /** The name of value 0. */
  readonly defaultName: string;
  readonly names: readonly string[];
  readonly byNumber = new Map<number, string>();
  /** Numbers by upper-case name: JSON names are matched without regard to case. */
  readonly byUpperName = new Map<string, number>();
  readonly #flags = new Map<string, number>();

  constructor(name: string, rows: EnumRow[]) {
    this.name = name;
    this.names = rows.map(([value]) => value);
    for (const [value, number, flags = 0] of rows) {
      if (!this.byNumber.has(number)) this.byNumber.set(number, value);
      this.byUpperName.set(value.toUpperCase(), number);
      if (flags !== 0) this.#flags.set(value, flags);
    }
    this.defaultName = this.byNumber.get(0) ?? this.names[0]!;
  }

  isDeprecated(value: string): boolean {
    return ((this.#flags.get(value) ?? 0) & 4) !== 0;
  }

  isDisallowed(value: string): boolean {
    return ((this.#flags.get(value) ?? 0) & 8) !== 0;
  }
}

type FieldRow = [string, number, string, number?, number?, (0 | FieldRules)?];
type MessageRow = { f: FieldRow[]; o?: [string, 0 | 1][]; x?: 1 };
type EnumRow = [string, number, number?];
type DescriptorFile = { messages: Record<string, MessageRow>; enums: Record<string, EnumRow[]> };

const descriptorFile = new URL('../../descriptor/descriptor.json', import.meta.url);
let loaded: DescriptorFile | null = null;
const messages = new Map<string, MessageSchema | null>();
const enums = new Map<string, EnumSchema>();

function descriptor(): DescriptorFile {
  if (loaded !== null) return loaded;
  try {
    loaded = JSON.parse(readFileSync(descriptorFile, 'utf8')) as DescriptorFile;
  } catch (error) {
    throw descriptorMissing(descriptorFile.pathname, error);
  }
  return loaded;
}

/** The table of a message by full name, or null when Envoy has no such message. */
export function findMessage(name: string): MessageSchema | null {
  const known = messages.get(name);
  if (known !== undefined) return known;
  const { messages: rows, enums: enumRows } = descriptor();
  const made = Object.hasOwn(rows, name) ? new MessageSchema(name, rows[name]!, enumRows) : null;
  messages.set(name, made);
  return made;
}

/** Like findMessage for a name out of the tables themselves, which always exists. */
export function messageSchema(name: string): MessageSchema {
  return findMessage(name)!;
}

/** The table of an enum by full name out of the tables. */
export function enumSchema(name: string): EnumSchema {
  let made = enums.get(name);
  if (made === undefined) enums.set(name, (made = new EnumSchema(name, descriptor().enums[name]!)));
  return made;
}

/** Full names of all messages, for suggestions and tests. */
export function messageNames(): string[] {
  return Object.keys(descriptor().messages);
}

/** protobuf's JSON name: underscores removed, the letter after each in upper case. */
export function camelCase(name: string): string {
  return name.includes('_') ? name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase()) : name;
}
