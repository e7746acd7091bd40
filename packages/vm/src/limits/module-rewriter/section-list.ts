// The sections of a module in their order, and which custom sections a rewritten module keeps. Pure.

import { ByteCursor } from './byte-cursor.ts';

export const SectionId = {
  Custom: 0,
  Type: 1,
  Import: 2,
  Function: 3,
  Table: 4,
  Memory: 5,
  Global: 6,
  Export: 7,
  Start: 8,
  Element: 9,
  Code: 10,
  Data: 11,
  DataCount: 12,
  Tag: 13,
} as const;

/** Place of each section among the others; custom sections stand anywhere. */
export const SECTION_RANK: Readonly<Record<number, number>> = {
  [SectionId.Type]: 1,
  [SectionId.Import]: 2,
  [SectionId.Function]: 3,
  [SectionId.Table]: 4,
  [SectionId.Memory]: 5,
  [SectionId.Tag]: 6,
  [SectionId.Global]: 7,
  [SectionId.Export]: 8,
  [SectionId.Start]: 9,
  [SectionId.Element]: 10,
  [SectionId.DataCount]: 11,
  [SectionId.Code]: 12,
  [SectionId.Data]: 13,
};

export interface Section {
  readonly id: number;
  /** Place of the id. */
  readonly head: number;
  readonly start: number;
  readonly end: number;
  /** Of a custom section. */
  readonly name: string;
}

/** V8 takes no more, and the scan counts places in 30 bits. */
const MODULE_LIMIT_BYTES = 2 ** 30;
const MAGIC = [0, 0x61, 0x73, 0x6d];
const VERSION_OFFSET = 4;
const LAYER_OFFSET = 6;
const HEADER_BYTES = 8;

/** Walks the sections; refuses what is no core module of version 1. */
export function listSections(bytes: Uint8Array): Section[] {
  const cursor = new ByteCursor(bytes, HEADER_BYTES, bytes.length);
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte))
    cursor.refuse('not a WebAssembly module', 0);
  if (bytes.length > MODULE_LIMIT_BYTES) cursor.refuse('more than 1 GiB', 0);
  if (bytes[LAYER_OFFSET] === 1) cursor.refuse('a component, not a core module', VERSION_OFFSET);
  if ([1, 0, 0, 0].some((byte, i) => bytes[VERSION_OFFSET + i] !== byte))
    cursor.refuse('a module of an unknown version', VERSION_OFFSET);
  const sections: Section[] = [];
  let rankBefore = 0;
  while (cursor.at < bytes.length) {
    const head = cursor.at;
    const id = cursor.byte();
    const size = cursor.u32();
    const start = cursor.at;
    cursor.skip(size);
    const name = id === SectionId.Custom ? new ByteCursor(bytes, start, cursor.at).name() : '';
    if (id !== SectionId.Custom) {
      const rank = SECTION_RANK[id] ?? cursor.refuse(`unknown section ${id}`, head);
      if (rank <= rankBefore) cursor.refuse(`section ${id} twice or out of order`, head);
      rankBefore = rank;
    }
    sections.push({ id, head, start, end: cursor.at, name });
  }
  return sections;
}

/** What tells of offsets in the code: after rewriting it would lie. The engine needs none of it. */
const DROPPED_SECTIONS: ReadonlySet<string> = new Set([
  'linking',
  'sourceMappingURL',
  'external_debug_info',
  'instTrace',
  'compilationHints',
]);
const DROPPED_PREFIXES = ['metadata.code.', 'reloc.', '.debug_', '.zdebug_'];

/** True for a custom section that is still right in a rewritten module: names, producers, features. */
export function keepsCustomSection(name: string): boolean {
  return !DROPPED_SECTIONS.has(name) && !DROPPED_PREFIXES.some(prefix => name.startsWith(prefix));
}
