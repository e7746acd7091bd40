// Goes through a decoded configuration once and brings every message to the checks: rules of the schema, what the
// proxy supports, deprecated fields, extensions, and the checks registered by message type.

import { type Decoded, type DecodedAny, typeNameOf } from '../decode/json-decoder.ts';
import { isSet } from '../decode/merge.ts';
import { isWellKnown } from '../decode/well-known.ts';
import type { Problems } from '../errors.ts';
import {
  enumSchema,
  type FieldSchema,
  findMessage,
  type MessageSchema,
  messageSchema,
} from '../schema/descriptor.ts';
import { OPAQUE_FIELDS } from '../support/extension-points.ts';
import type { ReportMistake, Support } from '../support/support.ts';
import { ExtensionResolver } from './extensions.ts';
import { checkRules } from './rules.ts';

type Path = (string | number)[];

/** A check by message type; `path` is the message's own and must not be kept. */
export type TypeCheck = (message: never, path: Path) => void;

/** Walks one message tree. */
export class Walker {
  readonly #support: Support;
  readonly #problems: Problems;
  readonly #checks: ReadonlyMap<string, readonly TypeCheck[]>;
  readonly #extensions: ExtensionResolver;
  readonly #path: Path;

  constructor(
    support: Support,
    problems: Problems,
    checks: ReadonlyMap<string, readonly TypeCheck[]>,
    path: Path = [],
  ) {
    this.#support = support;
    this.#problems = problems;
    this.#checks = checks;
    this.#extensions = new ExtensionResolver(support, problems);
    this.#path = path;
  }

  /** Checks `message` and all that is in it; optional extensions that are not implemented are taken out of it. */
  walk(typeName: string, message: Decoded): void {
    this.#message(messageSchema(typeName), message);
    this.#extensions.finish();
  }

  #message(schema: MessageSchema, message: Decoded): void {
    checkRules(schema, message, this.#path, this.#problems);
    for (const field of schema.fields) {
      const value = message[field.jsonName];
      this.#path.push(field.name);
      if (isSet(field, value)) {
        this.#extensions.resolve(schema, field, message, this.#path);
        if (this.#supported(schema, field, value) && field.kind === 'message')
          this.#inside(schema, field, value);
      }
      this.#path.pop();
    }
    for (const check of this.#checks.get(schema.name) ?? []) check(message as never, this.#path);
    for (const check of this.#support.checks.get(schema.name) ?? []) check(message as never, this.#report);
  }

  readonly #report: ReportMistake = (below, text, hint) => {
    this.#problems.error([...this.#path, ...below], text, '', hint);
  };

  /** Reports a field that is set and not implemented; true when what is inside is worth looking at. */
  #supported(schema: MessageSchema, field: FieldSchema, value: unknown): boolean {
    if (field.disallowed) {
      this.#problems.error(
        this.#path,
        `Using deprecated option '${schema.name}.${field.name}'`,
        '',
        'Envoy refuses it by default, too',
      );
      return false;
    }
    if (field.deprecated)
      this.#problems.warn(this.#path, `Using deprecated option '${schema.name}.${field.name}'`);
    const values = field.repeated && field.kind === 'enum' ? (value as unknown[]) : [value];
    const refused = values.find(one => !this.#support.implements(schema.name, field.name, one));
    if (refused !== undefined) {
      this.#refuse(schema, field, refused);
      return false;
    }
    if (field.kind === 'enum') this.#disallowedValues(field, values as string[]);
    return true;
  }

  #refuse(schema: MessageSchema, field: FieldSchema, value: unknown): void {
    const reason = this.#support.harmlessReason(schema.name, field.name);
    if (reason !== null) {
      this.#problems.warn(this.#path, `accepted and ignored: ${reason}`);
      return;
    }
    const only = this.#support.valuesOf(schema.name, field.name);
    const what = only.length === 0 ? `${schema.name}.${field.name}` : `${field.name}: ${String(value)}`;
    this.#problems.error(this.#path, `not supported: ${what}`, only.join(' or '));
  }

  #disallowedValues(field: FieldSchema, values: readonly string[]): void {
    const schema = enumSchema(field.typeName);
    for (const value of values) {
      if (schema.isDisallowed(value))
        this.#problems.error(
          this.#path,
          `Using deprecated value ${value}`,
          '',
          'Envoy refuses it by default, too',
        );
      else if (schema.isDeprecated(value)) this.#problems.warn(this.#path, `Using deprecated value ${value}`);
    }
  }

  #inside(schema: MessageSchema, field: FieldSchema, value: unknown): void {
    const opaque =
      field.typeName === 'google.protobuf.Any' && OPAQUE_FIELDS.has(`${schema.name}.${field.name}`);
    if (opaque) return;
    if (field.repeated) {
      (value as Decoded[]).forEach((item, i) => {
        this.#path.push(i);
        this.#value(field.typeName, item);
        this.#path.pop();
      });
    } else if (field.mapKey !== null) {
      for (const [key, item] of Object.entries(value as Record<string, Decoded>)) {
        this.#path.push(key);
        this.#value(field.typeName, item);
        this.#path.pop();
      }
    } else this.#value(field.typeName, value as Decoded);
  }

  #value(typeName: string, value: Decoded): void {
    if (typeName === 'google.protobuf.Any') this.#any(value as unknown as DecodedAny);
    else if (!isWellKnown(typeName) && !this.#extensions.unresolved.has(value))
      this.#message(messageSchema(typeName), value);
  }

  #any(any: DecodedAny): void {
    if (this.#extensions.unresolved.has(any) || isWellKnown(any.typeName)) return;
    const schema = findMessage(typeNameOf(any.typeUrl));
    if (schema !== null && any.typeName === schema.name) this.#message(schema, any.value as Decoded);
  }
}
