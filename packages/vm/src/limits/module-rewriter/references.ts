// Looks at what a module mentions by index outside of its code: exports, the start function, initial values, segments.
// What rewriting adds gets the next free indices, so an index that is out of range in the original must not pass. Pure.

import type { InstructionCursor } from './instruction-cursor.ts';

export function checkGlobals(cursor: InstructionCursor): void {
  for (let count = cursor.u32(); count > 0; count--) {
    cursor.valueType();
    cursor.byte();
    cursor.constantExpression();
  }
}

const FUNCTION_EXPORT = 0;
const MEMORY_EXPORT = 2;

export function checkExports(cursor: InstructionCursor): void {
  for (let count = cursor.u32(); count > 0; count--) {
    const start = cursor.at;
    cursor.name();
    const kind = cursor.byte();
    if (kind === FUNCTION_EXPORT) cursor.functionIndex(start);
    else if (kind === MEMORY_EXPORT) cursor.memoryIndex(start);
    else cursor.u32();
  }
}

export function checkStart(cursor: InstructionCursor): void {
  cursor.functionIndex(cursor.at);
}

const LAST_ELEMENT_KIND = 7;

/** Bit 0 of a segment's kind: passive or declarative; bit 1: names a table, or declarative; bit 2: expressions. */
export function checkElementSegments(cursor: InstructionCursor): void {
  for (let count = cursor.u32(); count > 0; count--) {
    const start = cursor.at;
    const kind = cursor.u32();
    if (kind > LAST_ELEMENT_KIND) cursor.refuse('an element segment of an unknown kind', start);
    const active = (kind & 1) === 0;
    if (active && (kind & 2) !== 0) cursor.u32();
    if (active) cursor.constantExpression();
    const withExpressions = (kind & 4) !== 0;
    // The kind or type of the elements; left out in the oldest form of a segment.
    if ((kind & 3) !== 0) {
      if (withExpressions) cursor.valueType();
      else cursor.byte();
    }
    for (let elements = cursor.u32(); elements > 0; elements--) {
      if (withExpressions) cursor.constantExpression();
      else cursor.functionIndex(start);
    }
  }
}

const PASSIVE_DATA = 1;
const DATA_WITH_MEMORY = 2;

export function checkDataSegments(cursor: InstructionCursor): void {
  for (let count = cursor.u32(); count > 0; count--) {
    const start = cursor.at;
    const kind = cursor.u32();
    if (kind > DATA_WITH_MEMORY) cursor.refuse('a data segment of an unknown kind', start);
    if (kind === DATA_WITH_MEMORY) cursor.memoryIndex(start);
    else if (kind !== PASSIVE_DATA && cursor.rules.memoryCount === 0) {
      cursor.refuse('a memory that the module does not have', start);
    }
    if (kind !== PASSIVE_DATA) cursor.constantExpression();
    cursor.skip(cursor.u32());
  }
}
