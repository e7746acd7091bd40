// Makes limits part of a module: its memory becomes an import, which the host creates with a maximum of its own, and its
// code tests a word in shared memory wherever it could run for long. Pure: bytes in, bytes out; runs where modules are
// compiled. Design, attacks and figures are in docs/RATIONALE.md.
//
// Index spaces: memories keep their indices (those defined become imports behind those imported already); the kill word's
// memory comes behind the last one, one function behind the last one. Everything else stays what it was.

import { ModuleLimitsError } from '../../errors.ts';
import { type CodeMap, scanCode } from './code-scan.ts';
import { writeCode } from './code-writer.ts';
import { type Declarations, type ImposedMemory, LIMITS_MODULE, readDeclarations } from './declarations.ts';
import { name, unsignedLeb } from './encoding.ts';
import { chooseEntries } from './entry-choice.ts';
import { callCode, checkCode, growthNoteBody, KILL_WORD_IMPORT } from './inserted-code.ts';
import { keepsCustomSection, listSections, SECTION_RANK, type Section, SectionId } from './section-list.ts';

export interface RewriteOptions {
  /** Take modules with garbage-collected structs and arrays, although the memory cap does not count these. */
  readonly allowGc?: boolean;
}

/** Numbers about a rewriting, for logs and benchmarks. */
export interface RewriteStatistics {
  readonly functions: number;
  /** At loop heads, before bulk operations and host calls, and in long straight lines. */
  readonly innerChecks: number;
  readonly entryChecks: number;
  readonly codeBytesBefore: number;
  readonly codeBytesAfter: number;
  /** Names of custom sections that would no longer be right. */
  readonly droppedSections: readonly string[];
}

export interface RewrittenModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Memories to give to the import module LIMITS_MODULE, besides the kill word's. */
  readonly memories: readonly ImposedMemory[];
  readonly statistics: RewriteStatistics;
}

/**
 * Rewrites a module. Throws ModuleLimitsError, with reason and offset, for what cannot be bounded: unknown instructions,
 * 64-bit or shared memories, garbage-collected objects, huge tables. Whether the module is valid is for the engine to say.
 */
export function rewriteModule(bytes: Uint8Array, options: RewriteOptions = {}): RewrittenModule {
  const sections = listSections(bytes);
  const declarations = readDeclarations(bytes, sections, options.allowGc ?? false);
  const codeSection = sections.find(({ id }) => id === SectionId.Code);
  const map = scanCode(bytes, codeSection, declarations);
  if (map.functionCount !== declarations.definedFunctionCount)
    throw new ModuleLimitsError('as many functions are declared as are defined: not here', 0);
  const entries = chooseEntries(map);
  const parts = new SectionParts(bytes, declarations, map, entries);
  const dropped: string[] = [];
  const output: Uint8Array[] = [bytes.subarray(0, 8)];
  let importsWritten = false;
  for (const section of sections) {
    if (section.id === SectionId.Custom) {
      if (keepsCustomSection(section.name)) output.push(bytes.subarray(section.head, section.end));
      else dropped.push(section.name);
      continue;
    }
    if (!importsWritten && SECTION_RANK[section.id] >= SECTION_RANK[SectionId.Import]) {
      output.push(parts.imports(section));
      importsWritten = true;
    }
    const part = parts.rewritten(section);
    if (part !== null) output.push(part);
  }
  // Only types, if anything: there is nothing to limit, but the imports are promised.
  if (!importsWritten) output.push(parts.imports(null));
  return {
    bytes: joined(output),
    memories: declarations.imposedMemories,
    statistics: {
      functions: map.functionCount,
      innerChecks: map.marks.length - map.growCount,
      entryChecks: entries.reduce((sum, checked) => sum + checked, 0),
      codeBytesBefore: codeSection === undefined ? 0 : codeSection.end - codeSection.head,
      codeBytesAfter: parts.codeBytes,
      droppedSections: dropped,
    },
  };
}

/** The sections that change. */
class SectionParts {
  readonly #bytes: Uint8Array;
  readonly #declarations: Declarations;
  readonly #map: CodeMap;
  readonly #entries: Uint8Array;
  /** A function is added that notes when the memory was not allowed to grow; it needs a type that is there. */
  readonly #notesGrowth: boolean;
  codeBytes = 0;

  constructor(bytes: Uint8Array, declarations: Declarations, map: CodeMap, entries: Uint8Array) {
    this.#bytes = bytes;
    this.#declarations = declarations;
    this.#map = map;
    this.#entries = entries;
    this.#notesGrowth = map.growCount > 0 && declarations.i32ToI32Type !== -1;
  }

  /** The section as it is to be; null for one that is gone. */
  rewritten(section: Section): Uint8Array | null {
    const { tableSection } = this.#declarations;
    switch (section.id) {
      case SectionId.Import:
      case SectionId.Memory:
        return null;
      case SectionId.Table:
        return joinedSection(section.id, tableSection as number[]);
      case SectionId.Function:
        return this.#notesGrowth ? this.#functions(section) : this.#same(section);
      case SectionId.Code:
        return this.#code();
      default:
        return this.#same(section);
    }
  }

  /** The import section; `section` is the first one that stands there or behind. */
  imports(section: Section | null): Uint8Array {
    const { importCount, imposedMemories } = this.#declarations;
    const added: number[] = [];
    for (const { name: memory, initialPages, maximumPages } of imposedMemories) {
      const limits = maximumPages === null ? [0] : [1];
      added.push(...name(LIMITS_MODULE), ...name(memory), 2, ...limits, ...unsignedLeb(initialPages));
      if (maximumPages !== null) added.push(...unsignedLeb(maximumPages));
    }
    // Shared, of one page.
    added.push(...name(LIMITS_MODULE), ...name(KILL_WORD_IMPORT), 2, 3, 1, 1);
    const before = section?.id === SectionId.Import ? this.#withoutCount(section) : new Uint8Array(0);
    const count = importCount + imposedMemories.length + 1;
    return joinedSection(SectionId.Import, [...unsignedLeb(count)], before, added);
  }

  #functions(section: Section): Uint8Array {
    const { definedFunctionCount, i32ToI32Type } = this.#declarations;
    const count = unsignedLeb(definedFunctionCount + 1);
    return joinedSection(section.id, count, this.#withoutCount(section), unsignedLeb(i32ToI32Type));
  }

  #code(): Uint8Array {
    const { rules, importedFunctionCount, definedFunctionCount } = this.#declarations;
    const killWordMemory = rules.memoryCount;
    const section = writeCode(this.#bytes, {
      map: this.#map,
      entries: this.#entries,
      check: checkCode(killWordMemory),
      afterGrow: this.#notesGrowth
        ? callCode(importedFunctionCount + definedFunctionCount)
        : new Uint8Array(0),
      addedBody: this.#notesGrowth ? growthNoteBody(killWordMemory) : null,
    });
    this.codeBytes = section.length;
    return section;
  }

  #same(section: Section): Uint8Array {
    return this.#bytes.subarray(section.head, section.end);
  }

  /** Content of a section behind its leading number. */
  #withoutCount(section: Section): Uint8Array {
    let at = section.start;
    while (this.#bytes[at] >= 0x80) at++;
    return this.#bytes.subarray(at + 1, section.end);
  }
}

function joinedSection(id: number, ...parts: (Uint8Array | number[])[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return joined([Uint8Array.from([id, ...unsignedLeb(length)]), ...parts]);
}

function joined(parts: readonly (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
