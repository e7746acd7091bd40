// Resolves extensions before anything else is checked: filters without a type are looked up by name, optional ones
// that are not implemented are dropped, the rest is refused in Envoy's words.

import { type Decoded, type DecodedAny, emptyMessage } from '../decode/json-decoder.ts';
import type { Problems } from '../errors.ts';
import { type FieldSchema, findMessage, type MessageSchema, messageSchema } from '../schema/descriptor.ts';
import { EXTENSION_POINTS } from '../support/extension-points.ts';
import type { Support } from '../support/support.ts';

type Path = (string | number)[];

/** Resolves what is plugged into one field. Says which values are not to be looked into. */
export class ExtensionResolver {
  /** Values that were refused or dropped: looking inside them would only report more about the same. */
  readonly unresolved = new WeakSet<object>();
  readonly #support: Support;
  readonly #problems: Problems;
  /** Emptied when the walk is over, so that paths keep their indexes meanwhile. */
  readonly #dropped: (() => void)[] = [];

  constructor(support: Support, problems: Problems) {
    this.#support = support;
    this.#problems = problems;
  }

  /** Resolves the extensions of one field of `schema`, if it is an extension point. */
  resolve(schema: MessageSchema, field: FieldSchema, owner: Decoded, path: Path): void {
    const value = owner[field.jsonName];
    const category = EXTENSION_POINTS[`${schema.name}.${field.name}`];
    if (category === undefined || value === undefined) return;
    // A field that is not supported at all is refused as a field.
    if (!this.#support.implements(schema.name, field.name, value)) return;
    if (field.repeated) {
      (value as Decoded[]).forEach((item, i) => {
        path.push(i);
        this.#resolveOne(category, item, path, () => remove(value as Decoded[], item));
        path.pop();
      });
    } else if (field.mapKey !== null) {
      for (const [key, item] of Object.entries(value as Record<string, Decoded>)) {
        path.push(key);
        this.#resolveOne(category, item, path, () => delete (value as Record<string, Decoded>)[key], key);
        path.pop();
      }
    } else this.#resolveOne(category, value as Decoded, path, () => delete owner[field.jsonName], '', owner);
  }

  /** Takes dropped extensions out of their lists. */
  finish(): void {
    for (const drop of this.#dropped) drop();
  }

  #resolveOne(category: string, item: Decoded, path: Path, drop: () => void, key = '', owner = item): void {
    const isAny = 'typeUrl' in item;
    const any = (isAny ? item : item.typedConfig) as DecodedAny | undefined;
    const name = isAny ? key : String(item.name ?? '');
    const optional = item.isOptional === true || owner.isOptional === true;
    if (item.configDiscovery !== undefined) return;
    if (any === undefined || any.typeName === '') {
      this.#resolveByName(category, item, name, path);
      return;
    }
    if (this.#support.extensionNames(category, any.typeName) !== null) return;
    this.unresolved.add(any);
    if (findMessage(any.typeName) === null) {
      if (optional) this.#dropped.push(drop);
      if (any.typeName !== 'udpa.type.v1.TypedStruct' && any.typeName !== 'xds.type.v3.TypedStruct') return;
    }
    const message = notRegistered(name, innerUrl(any));
    const hint = `known here: ${this.#support.namesIn(category).join(', ') || 'none'}`;
    if (optional) {
      this.#problems.warn(path, message, 'skipped: is_optional is set');
      this.#dropped.push(drop);
    } else this.#problems.error(path, message, '', hint);
  }

  /** Envoy has given up looking extensions up by name; files that rely on it still exist. */
  #resolveByName(category: string, item: Decoded, name: string, path: Path): void {
    const typeName = 'typeUrl' in item ? null : this.#support.typeByName(category, name);
    if (typeName === null) {
      this.unresolved.add(item);
      if (item.isOptional === true)
        this.#problems.warn(path, notRegistered(name, ''), 'skipped: is_optional is set');
      else this.#problems.error(path, notRegistered(name, ''), 'typed_config with an "@type"');
      return;
    }
    const typeUrl = `type.googleapis.com/${typeName}`;
    item.typedConfig = { typeUrl, typeName, value: emptyMessage(messageSchema(typeName)) };
    this.#problems.warn(path, `'${name}' has no typed_config with a type`, `taken by its name as ${typeUrl}`);
  }
}

const notRegistered = (name: string, typeUrl: string): string =>
  `Didn't find a registered implementation for '${name}' with type URL: '${typeUrl}'`;

const innerUrl = (any: DecodedAny): string =>
  findMessage(any.typeName)?.byName.has('type_url') === true
    ? String((any.value as Decoded).typeUrl)
    : any.typeUrl;

function remove(list: Decoded[], item: Decoded): void {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
}
