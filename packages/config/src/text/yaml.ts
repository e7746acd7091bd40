// Reads YAML the way Envoy does (yaml-cpp, then protobuf JSON): first document only, yes/no/on/off are bools, floats
// stay text, keys tagged !ignore are dropped, no merge keys, the last of equal keys wins. JSON files are read here too.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  parseAllDocuments,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import type { Position, Problems } from '../errors.ts';
import { defineOwn, type Json, type JsonObject, type Source, type SourceNode } from './source.ts';

const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const NULL = /^(?:|~|null|Null|NULL)$/;
const INTEGER = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/;
/** Aliases may repeat subtrees; a file that grows past this many nodes is an attack or a mistake. */
const MAX_NODES = 2_000_000;

/** A plain (unquoted) scalar by yaml-cpp's rules: bools, int32 numbers, null; the rest, floats too, is text. */
export function plainScalar(text: string): null | boolean | number | string {
  if (NULL.test(text)) return null;
  if (INTEGER.test(text)) {
    const number = integer(text);
    return number >= -(2 ** 31) && number < 2 ** 31 ? number : text;
  }
  if (TRUE.test(text)) return true;
  if (FALSE.test(text)) return false;
  return text;
}

/** C's rules: 0x is hexadecimal, a leading 0 octal. */
function integer(text: string): number {
  const digits = text.replace(/^[-+]/, '');
  const base = /^0[xX]/.test(digits) ? 16 : digits.startsWith('0') ? 8 : 10;
  const size = Number.parseInt(digits, base);
  return text.startsWith('-') ? -size : size;
}

/** Envoy's `!ignore` keys park anchors. */
const isIgnored = (pair: Pair<unknown, unknown>): boolean => (pair.key as Node | null)?.tag === '!ignore';

class YamlNode implements SourceNode {
  readonly offset: number;
  readonly #node: Node | undefined;
  readonly #reader: YamlReader;

  constructor(node: Node | null, reader: YamlReader, offset: number) {
    this.#node = reader.resolve(node);
    this.#reader = reader;
    this.offset = offset;
  }

  child(key: string): SourceNode | null {
    if (!isMap(this.#node)) return null;
    const pair = this.#node.items.findLast(
      item => !isIgnored(item) && this.#reader.keyText(item.key) === key,
    );
    if (pair === undefined) return null;
    const offset = (pair.key as ParsedNode).range?.[0] ?? this.offset;
    return new YamlNode(pair.value as Node | null, this.#reader, offset);
  }

  item(index: number): SourceNode | null {
    if (!isSeq(this.#node) || index >= this.#node.items.length) return null;
    const item = this.#node.items[index] as ParsedNode | null;
    return new YamlNode(item, this.#reader, item?.range?.[0] ?? this.offset);
  }

  get length(): number {
    return isSeq(this.#node) ? this.#node.items.length : -1;
  }
}

/** Turns one document's nodes into JSON. */
class YamlReader {
  readonly #anchors = new Map<string, Node>();
  #nodeCount = 0;

  /** The node itself, or what an alias stands for. */
  resolve(node: Node | null): Node | undefined {
    return (isAlias(node) ? this.#anchors.get(node.source) : node) ?? undefined;
  }

  keyText(key: unknown): string {
    const node = this.resolve(key as Node | null);
    return isScalar(node) ? (node.type === 'PLAIN' ? (node.source ?? '') : String(node.value)) : '';
  }

  read(raw: Node | null): Json {
    if (++this.#nodeCount > MAX_NODES) throw new Error('too many nodes after expanding the aliases');
    if (raw === null || raw === undefined) return null;
    const node = this.resolve(raw);
    if (node === undefined) throw new Error(`unknown anchor ${(raw as { source?: string }).source}`);
    if (isMap(node)) return this.#keep(node, this.#map(node));
    if (isSeq(node))
      return this.#keep(
        node,
        node.items.map(item => this.read(item as Node | null)),
      );
    return this.#keep(node, this.#scalar(node as Scalar));
  }

  /** An anchor names what is complete: an alias inside its own anchor is unknown, so no endless trees. */
  #keep(node: Node, value: Json): Json {
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined) this.#anchors.set(anchor, node);
    return value;
  }

  #map(map: YAMLMap): JsonObject {
    const result: JsonObject = {};
    for (const pair of map.items) {
      if (isIgnored(pair)) this.read(pair.value as Node | null);
      else defineOwn(result, this.keyText(pair.key), this.read(pair.value as Node | null));
    }
    return result;
  }

  #scalar(scalar: Scalar): Json {
    if (scalar.type === 'PLAIN' && scalar.tag !== '!') return plainScalar(scalar.source ?? '');
    return String(scalar.value ?? '');
  }
}

function parseFirst(text: string, lines: LineCounter): Document.Parsed | undefined {
  const documents = parseAllDocuments(text, {
    uniqueKeys: false,
    merge: false,
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
  });
  return Array.isArray(documents) ? documents[0] : undefined;
}

const rangeStart = (node: unknown): number => (node as ParsedNode | null)?.range?.[0] ?? 0;

/** Parses YAML; reports and returns null when it is none, or neither a map nor a list. */
export function readYaml(text: string, file: string, problems: Problems): Source | null {
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const document = parseFirst(text, lines);
  const contents = (document?.contents ?? null) as Node | null;
  for (const error of document?.errors ?? []) {
    const hint = /tab/i.test(error.message) || error.code === 'TAB_AS_INDENT' ? 'indent with spaces' : '';
    problems.syntaxError(position(error.pos[0]), `Unexpected YAML: ${error.message}`, hint);
  }
  if (problems.failed) return null;
  if (!isMap(contents) && !isSeq(contents)) {
    const shown = contents === null ? '' : text.trim().slice(0, 60);
    problems.error([], `Unable to convert YAML as JSON: ${shown}`, 'a map such as static_resources: {...}');
    return null;
  }
  const reader = new YamlReader();
  try {
    const value = reader.read(contents);
    return { file, value, root: new YamlNode(contents, reader, rangeStart(contents)), position };
  } catch (error) {
    problems.error([], `Unexpected YAML: ${(error as Error).message}`);
    return null;
  }
}

/** Parses JSON. The tree for positions is built only when a mistake has to be placed. */
export function readJson(text: string, file: string, problems: Problems): Source | null {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    const before = problems.list.length;
    const source = readYaml(text, file, problems);
    if (problems.list.length === before) {
      problems.error([], `Unable to parse JSON as proto (${(error as Error).message})`);
    }
    return source === null ? null : { ...source, value: null };
  }
  const lines = new LineCounter();
  let root: SourceNode | null | undefined;
  return {
    file,
    value,
    get root() {
      if (root === undefined) {
        const contents = parseFirst(text, lines)?.contents as Node | null;
        root = contents === null ? null : new YamlNode(contents, new YamlReader(), rangeStart(contents));
      }
      return root;
    },
    position: offset => {
      const { line, col } = lines.linePos(offset);
      return { line, column: col };
    },
  };
}
