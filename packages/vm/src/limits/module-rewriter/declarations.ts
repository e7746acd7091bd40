// What a module declares outside of its code, as far as limits go: types, imports, tables, memories, exports, data
// segments. Refuses what would escape the memory cap or reach the kill word. Pure.

import { unsignedLeb } from './encoding.ts';
import { type CodeRules, InstructionCursor } from './instruction-cursor.ts';
import {
  checkDataSegments,
  checkElementSegments,
  checkExports,
  checkGlobals,
  checkStart,
} from './references.ts';
import { type Section, SectionId } from './section-list.ts';

/** Module name of the imports that rewriting adds. */
export const LIMITS_MODULE = 'dragoman.limits';

/** A memory that the module defined and that the host makes now. */
export interface ImposedMemory {
  /** Name of the import, in LIMITS_MODULE. */
  readonly name: string;
  /** In pages of 64 KiB. */
  readonly initialPages: number;
  /** As the module declares it, if it does. */
  readonly maximumPages: number | null;
}

/** Largest number of elements of one table, and of all at the start. A table costs 8 bytes an element. */
export const TABLE_LIMIT_ELEMENTS = 100_000;
/** Compilers make one table; each more could hold as much again. */
export const TABLE_LIMIT = 16;
/** Compilers make one memory; each takes 8 GiB of address space whatever its size. */
export const MEMORY_LIMIT = 16;

export interface Declarations {
  readonly rules: CodeRules;
  readonly typeCount: number;
  /** Index of a function type (i32) -> (i32); -1 without one. */
  readonly i32ToI32Type: number;
  readonly importCount: number;
  readonly importedFunctionCount: number;
  readonly definedFunctionCount: number;
  readonly imposedMemories: readonly ImposedMemory[];
  /** Content of the table section with lowered maxima; null without one. */
  readonly tableSection: number[] | null;
}

interface ReadState {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly allowGc: boolean;
  memoryCount: number;
  functionCount: number;
}

/** Reads every section but the code. */
export function readDeclarations(
  bytes: Uint8Array,
  sections: readonly Section[],
  allowGc: boolean,
): Declarations {
  const state: ReadState = { bytes, sections, allowGc, memoryCount: 0, functionCount: 0 };
  const types = { count: 0, i32ToI32: -1 };
  read(state, SectionId.Type, cursor => readTypes(cursor, types, allowGc));
  const imported = { count: 0, functions: 0 };
  read(state, SectionId.Import, cursor => readImports(cursor, imported, state));
  let definedFunctionCount = 0;
  read(state, SectionId.Function, cursor => {
    definedFunctionCount = cursor.u32();
    for (let i = 0; i < definedFunctionCount; i++) cursor.u32();
  });
  state.functionCount = imported.functions + definedFunctionCount;
  const imposedMemories: ImposedMemory[] = [];
  read(state, SectionId.Memory, cursor => readMemories(cursor, imposedMemories));
  state.memoryCount += imposedMemories.length;
  let tableSection: number[] | null = null;
  read(state, SectionId.Table, cursor => {
    tableSection = lowerTableMaxima(cursor);
  });
  read(state, SectionId.Global, checkGlobals);
  read(state, SectionId.Export, checkExports);
  read(state, SectionId.Start, checkStart);
  read(state, SectionId.Element, checkElementSegments);
  read(state, SectionId.Data, checkDataSegments);
  return {
    rules: rulesOf(state),
    typeCount: types.count,
    i32ToI32Type: types.i32ToI32,
    importCount: imported.count,
    importedFunctionCount: imported.functions,
    definedFunctionCount,
    imposedMemories,
    tableSection,
  };
}

function read(state: ReadState, id: number, action: (cursor: InstructionCursor) => void): void {
  const section = state.sections.find(section => section.id === id);
  if (section === undefined) return;
  const cursor = new InstructionCursor(state.bytes, section.start, section.end, rulesOf(state));
  action(cursor);
  if (cursor.at !== section.end) cursor.refuse(`section ${id} is longer than what it holds`);
}

const rulesOf = ({ memoryCount, functionCount, allowGc }: ReadState): CodeRules => ({
  memoryCount,
  functionCount,
  allowGc,
});

const I32 = 0x7f;
const FUNCTION_TYPE = 0x60;
const STRUCT_TYPE = 0x5f;
const ARRAY_TYPE = 0x5e;

function readTypes(
  cursor: InstructionCursor,
  types: { count: number; i32ToI32: number },
  allowGc: boolean,
): void {
  for (let groups = cursor.u32(); groups > 0; groups--) {
    const start = cursor.at;
    let members = 1;
    if (cursor.byte() === 0x4e) members = cursor.u32();
    else cursor.at = start;
    for (; members > 0; members--) {
      if (readType(cursor, allowGc)) types.i32ToI32 = types.count;
      types.count++;
    }
  }
}

/** True for a plain function type (i32) -> (i32). */
function readType(cursor: InstructionCursor, allowGc: boolean): boolean {
  const start = cursor.at;
  let form = cursor.byte();
  const isSubtype = form === 0x50 || form === 0x4f;
  if (isSubtype) {
    for (let supertypes = cursor.u32(); supertypes > 0; supertypes--) cursor.u32();
    form = cursor.byte();
  }
  if (form === FUNCTION_TYPE) {
    const parameters = cursor.u32();
    let onlyI32 = true;
    for (let i = 0; i < parameters; i++) onlyI32 = cursor.valueType() === I32 && onlyI32;
    const results = cursor.u32();
    for (let i = 0; i < results; i++) onlyI32 = cursor.valueType() === I32 && onlyI32;
    return !isSubtype && onlyI32 && parameters === 1 && results === 1;
  }
  if (form !== STRUCT_TYPE && form !== ARRAY_TYPE)
    cursor.refuse(`unknown type form ${form.toString(16)}`, start);
  if (!allowGc)
    cursor.refuse('a type of garbage-collected objects, which the memory cap does not cover', start);
  for (let fields = form === STRUCT_TYPE ? cursor.u32() : 1; fields > 0; fields--) {
    cursor.valueType();
    cursor.byte();
  }
  return false;
}

function readImports(
  cursor: InstructionCursor,
  imported: { count: number; functions: number },
  state: ReadState,
): void {
  imported.count = cursor.u32();
  for (let i = 0; i < imported.count; i++) {
    const start = cursor.at;
    const module = cursor.name();
    cursor.name();
    if (module === LIMITS_MODULE) cursor.refuse(`an import from the reserved module ${LIMITS_MODULE}`, start);
    const kind = cursor.byte();
    if (kind === 0) {
      cursor.u32();
      imported.functions++;
    } else if (kind === 1) {
      cursor.valueType();
      checkTableSize(cursor, cursor.limits('table').minimum, start);
    } else if (kind === 2) {
      cursor.limits('memory');
      state.memoryCount++;
    } else if (kind === 3) {
      cursor.valueType();
      cursor.byte();
    } else if (kind === 4) {
      cursor.byte();
      cursor.u32();
    } else cursor.refuse(`an import of an unknown kind (${kind})`, start);
  }
}

function readMemories(cursor: InstructionCursor, memories: ImposedMemory[]): void {
  const count = cursor.u32();
  if (cursor.rules.memoryCount + count > MEMORY_LIMIT)
    cursor.refuse(`${count} memories, the limit is ${MEMORY_LIMIT}`);
  for (let i = 0; i < count; i++) {
    const { minimum, maximum } = cursor.limits('memory');
    memories.push({ name: `memory${i}`, initialPages: minimum, maximumPages: maximum });
  }
}

const WITH_INITIAL_VALUE = 0x40;

function lowerTableMaxima(cursor: InstructionCursor): number[] {
  const content: number[] = [];
  const copy = (from: number) => {
    for (let i = from; i < cursor.at; i++) content.push(cursor.bytes[i]);
  };
  let start = cursor.at;
  const count = cursor.u32();
  copy(start);
  if (count > TABLE_LIMIT) cursor.refuse(`${count} tables, the limit is ${TABLE_LIMIT}`, start);
  for (let i = 0; i < count; i++) {
    start = cursor.at;
    const withInitialValue = cursor.bytes[start] === WITH_INITIAL_VALUE;
    if (withInitialValue) cursor.skip(2);
    cursor.valueType();
    copy(start);
    const { minimum, maximum } = cursor.limits('table');
    checkTableSize(cursor, minimum, start);
    const cap = Math.min(maximum ?? TABLE_LIMIT_ELEMENTS, TABLE_LIMIT_ELEMENTS);
    content.push(1, ...unsignedLeb(minimum), ...unsignedLeb(cap));
    if (!withInitialValue) continue;
    start = cursor.at;
    cursor.constantExpression();
    copy(start);
  }
  return content;
}

function checkTableSize(cursor: InstructionCursor, elements: number, offset: number): void {
  if (elements > TABLE_LIMIT_ELEMENTS)
    cursor.refuse(`a table of ${elements} elements, the limit is ${TABLE_LIMIT_ELEMENTS}`, offset);
}
