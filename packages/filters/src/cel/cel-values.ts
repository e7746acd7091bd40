// Attributes as values of CEL and back. Maps and messages are read lazily: an expression looks at a few of them.

import { type PropertyMap, type PropertyMessage, type PropertyValue, utf8Property } from '@dragoman/vm';
import { type CelLibrary, celLibrary } from './cel-library.ts';

/** Gives the attribute at a path, or undefined. */
export type AttributeSource = (path: readonly string[]) => PropertyValue;

/** Attributes that are integers of nanoseconds on the wire and points or spans of time in expressions. */
const TIMESTAMPS: ReadonlySet<string> = new Set(['request.time']);
const DURATIONS: ReadonlySet<string> = new Set([
  'request.duration',
  'response.backend_latency',
  'upstream.cx_pool_ready_duration',
]);
const NANOS_PER_SECOND = 1_000_000_000n;

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

/** The root `name` of the attribute tree for an expression. */
export function rootVariable(name: string, source: AttributeSource): Input {
  const whole = source([name]);
  if (whole !== undefined && whole !== null) return toCel(whole);
  return new LazyMap(key => {
    const path = `${name}.${key}`;
    const value = source([name, key]);
    if (typeof value === 'bigint' && TIMESTAMPS.has(path)) return timestamp(value);
    if (typeof value === 'bigint' && DURATIONS.has(path)) return duration(value);
    return toCel(value);
  });
}

function toCel(value: PropertyValue): Input {
  if (value === null || typeof value !== 'object') return value;
  // Bytes stand for text: attributes of CEL that are bytes are none of Envoy's.
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (Array.isArray(value)) return value.map(toCel);
  if ('entries' in value) {
    const map = value as PropertyMap;
    return new LazyMap(
      key => toCel(map.get(key)),
      () => [...map.entries()].map(([key, item]) => [key, toCel(item)] as const),
    );
  }
  const message = value as PropertyMessage;
  return new LazyMap(key => toCel(message.field(key)));
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
  if (cel.isCelMap(value)) {
    const entries = [...value.entries()].map(([key, item]) => [String(key), fromCel(item, library)] as const);
    return { get: key => new Map(entries).get(key), entries: () => entries };
  }
  if (!reflect.isReflectMessage(value)) return null;
  const { seconds, nanos } = value.message as unknown as { seconds?: bigint; nanos?: number };
  return seconds === undefined || nanos === undefined ? null : seconds * NANOS_PER_SECOND + BigInt(nanos);
}
