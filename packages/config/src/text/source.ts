// A configuration text as plain JSON values plus a way back from a field's path to its line and column. The
// parsers (yaml.ts, json.ts) make Sources; nothing here knows the schema.

import type { ConfigPath, Position } from '../errors.ts';
import { camelCase } from '../schema/descriptor.ts';

/** What YAML and JSON become: protobuf's JSON form. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Sets a key, even one called `__proto__`, as an own property. */
export function defineOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** A parsed node that can be walked down for positions. */
export interface SourceNode {
  /** Where the value (for a map's child: its key) starts. */
  readonly offset: number;
  /** The child under a map key, exactly as written; null when there is none. */
  child(key: string): SourceNode | null;
  /** The i-th item of a list. */
  item(index: number): SourceNode | null;
  /** How many items, -1 when it is no list. */
  readonly length: number;
}

/** A text that was read. */
export interface Source {
  file: string;
  value: Json;
  readonly root: SourceNode | null;
  position(offset: number): Position;
}

/** The child a proto field name means: by its own name, its JSON name, or inside a TypedStruct's or well-known Any's value. */
function fieldChild(node: SourceNode, name: string): SourceNode | null {
  const found = node.child(name) ?? node.child(camelCase(name));
  if (found !== null) return found;
  const isTypedStruct = node.child('type_url') ?? node.child('typeUrl');
  return isTypedStruct === null
    ? null
    : (node.child('value')?.child(name) ?? node.child('value')?.child(camelCase(name)) ?? null);
}

/**
 * Finds `path` in several sources merged in order (lists appended, later fields win): the place of the deepest part
 * that is written down.
 */
export function locate(sources: readonly Source[], path: ConfigPath): { file: string } & Position {
  let alive: { source: Source; node: SourceNode }[] = [];
  for (const source of sources) if (source.root !== null) alive.push({ source, node: source.root });
  let best = alive.at(-1);
  for (const part of path) {
    if (typeof part === 'string') {
      alive = alive.flatMap(({ source, node }) => {
        const child = fieldChild(node, part);
        return child === null ? [] : [{ source, node: child }];
      });
    } else {
      let index = part;
      const owner = alive.find(({ node }) => {
        if (index < node.length) return true;
        index -= Math.max(0, node.length);
        return false;
      });
      const item = owner?.node.item(index) ?? null;
      alive = item === null ? [] : [{ source: owner!.source, node: item }];
    }
    if (alive.length === 0) break;
    best = alive.at(-1);
  }
  if (best === undefined) return { file: sources[0]?.file ?? '', line: 0, column: 0 };
  return { file: best.source.file, ...best.source.position(best.node.offset) };
}
