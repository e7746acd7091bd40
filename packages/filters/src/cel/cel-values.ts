// Attributes as values of CEL and back. Maps and messages are read lazily: an expression looks at a few of them.

import { type PropertyMap, type PropertyMessage, type PropertyValue, utf8Property } from '@dragoman/vm';
import { ATTRIBUTE_GROUPS } from '../wasm/attributes/attribute-table.ts';
import { type CelLibrary, celLibrary } from './cel-library.ts';

/** What an expression is evaluated over. */
export interface ExpressionSource {
  /** The attribute at a path; undefined: there is none. */
  value(path: readonly string[]): PropertyValue;
  /** A value under that name that a plugin has set is text; otherwise it is bytes. */
  isText(name: string): boolean;
}

const NANOS_PER_SECOND = 1_000_000_000n;
/** Values there are bytes, whoever has set them. */
const FILTER_STATE = 'filter_state';

type Input = unknown;

/** A map that asks when it is read; it lists its keys only where `list` can. */
class LazyMap extends Map<string, Input> {
  readonly #read: (key: string) => Input;
  readonly #list: () => Iterable<readonly [string, Input]>;

  constructor(read: (key: string) => Input, list: () => Iterable<readonly [string, Input]> = () => []) {
    super();
    this.#read = read;
    this.#list = list;
  }

  override get(key: string): Input {
    return typeof key === 'string' ? this.#read(key) : undefined;
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  override get size(): number {
    return [...this.#list()].length;
  }

  override *keys(): MapIterator<string> {
    for (const [key] of this.#list()) yield key;
    return undefined;
  }

  override *values(): MapIterator<Input> {
    for (const [, value] of this.#list()) yield value;
    return undefined;
  }

  override *entries(): MapIterator<[string, Input]> {
    for (const [key, value] of this.#list()) yield [key, value];
    return undefined;
  }

  override [Symbol.iterator](): MapIterator<[string, Input]> {
    return this.entries();
  }

  override forEach(visit: (value: Input, key: string, map: Map<string, Input>) => void): void {
    for (const [key, value] of this.#list()) visit(value, key, this);
  }
}

/** What attributes were before they became maps of CEL: the result of an expression that is one of them. */
const ORIGINALS = new WeakMap<object, PropertyValue>();

function lazyMap(original: PropertyValue, map: LazyMap): Input {
  const wrapped = celLibrary().cel.celMap(map as never);
  ORIGINALS.set(wrapped, original);
  return wrapped;
}

/** What `name` stands for in an expression: a root of the attributes, or what a plugin has set; undefined for neither. */
export function rootVariable(name: string, source: ExpressionSource): Input {
  const group = ATTRIBUTE_GROUPS.get(name);
  if (group === undefined) {
    const isText = name.startsWith('plugin_') || name === 'metadata' || source.isText(name);
    return toCel(source.value([name]), isText && name !== FILTER_STATE);
  }
  const read = (key: string): Input => {
    const value = source.value([name, key]);
    if (typeof value !== 'bigint' || !Object.hasOwn(group, key)) return toCel(value, true);
    const { type } = group[key];
    if (type === 'timestamp') return timestamp(value);
    if (type === 'duration') return duration(value);
    return type === 'uint' ? celLibrary().cel.celUint(value) : value;
  };
  return lazyMap(null, new LazyMap(read));
}

/** `isText`: bytes stand for text, as all of Envoy's attributes that are bytes here do. */
function toCel(value: PropertyValue, isText: boolean): Input {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return isText ? Buffer.from(value).toString('utf8') : value;
  if (Array.isArray(value)) return value.map(item => toCel(item, isText));
  if ('entries' in value) {
    const map = value as PropertyMap;
    const entries = () => [...map.entries()].map(([key, item]) => [key, toCel(item, isText)] as const);
    return lazyMap(map, new LazyMap(key => toCel(map.get(key), isText), entries));
  }
  const message = value as PropertyMessage;
  return lazyMap(message, new LazyMap(key => toCel(message.field(key), isText)));
}

function timestamp(nanoseconds: bigint): Input {
  const { protobuf, wellKnown } = celLibrary();
  return protobuf.create(wellKnown.TimestampSchema, parts(nanoseconds));
}

function duration(nanoseconds: bigint): Input {
  const { protobuf, wellKnown } = celLibrary();
  return protobuf.create(wellKnown.DurationSchema, parts(nanoseconds));
}

const parts = (nanoseconds: bigint) => ({
  seconds: nanoseconds / NANOS_PER_SECOND,
  nanos: Number(nanoseconds % NANOS_PER_SECOND),
});

/** A result in the form that plugins get attributes in; null: it has no encoding. */
export function fromCel(value: unknown, library: CelLibrary): PropertyValue {
  const { cel, reflect } = library;
  if (typeof value === 'string') return utf8Property(value);
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'object' || value === null) return null;
  if (cel.isCelUint(value)) return value.value;
  if (cel.isCelList(value)) return [...value].map(item => fromCel(item, library));
  if (ORIGINALS.has(value)) return ORIGINALS.get(value);
  if (cel.isCelMap(value)) {
    const entries = [...value.entries()].map(([key, item]) => [String(key), fromCel(item, library)] as const);
    return { get: key => new Map(entries).get(key), entries: () => entries };
  }
  if (!reflect.isReflectMessage(value)) return null;
  const { seconds, nanos } = value.message as unknown as { seconds?: bigint; nanos?: number };
  return seconds === undefined || nanos === undefined ? null : seconds * NANOS_PER_SECOND + BigInt(nanos);
}
