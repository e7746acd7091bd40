// Passes one instruction at a time, by the tables of opcodes.ts. Refuses what the host cannot bound, and every mention of
// a memory or function that the original module does not have: what rewriting adds would be the next ones. Pure.

import { ByteCursor } from './byte-cursor.ts';
import {
  BLOCK_TYPE,
  BRANCH_ON_CAST,
  BRANCH_TABLE,
  BULK_LEB,
  BULK_TWO_LEBS,
  CALL,
  CALL_INDIRECT,
  CALL_REFERENCE,
  EIGHT_BYTES,
  END,
  FOUR_BYTES,
  FUNCTION_REFERENCE,
  GC_PREFIX,
  LEB,
  LOOP,
  MEMORY_ARGUMENT,
  MEMORY_ARGUMENT_AND_LANE,
  MEMORY_COPY,
  MEMORY_FILL,
  MEMORY_GROW,
  MEMORY_INDEX,
  MEMORY_INIT,
  NONE,
  ONE_BYTE,
  OPERANDS,
  PREFIX,
  prefixedOperands,
  SIXTEEN_BYTES,
  TRY_TABLE,
  TWO_LEBS,
  UNKNOWN,
  VALUE_TYPES,
} from './opcodes.ts';

const MULTI_MEMORY_BIT = 0x40;
/** 2 to the power of this: the 16 bytes of a v128. */
const MAX_ALIGNMENT = 4;
const MAX_CATCH_KIND = 3;

/** What the instructions of a module may name. */
export interface CodeRules {
  readonly memoryCount: number;
  /** Imported ones included. */
  readonly functionCount: number;
  readonly allowGc: boolean;
}

/** A cursor that knows instructions. */
export class InstructionCursor extends ByteCursor {
  readonly rules: CodeRules;
  /** The function that the last CALL names. */
  callTarget = 0;

  constructor(bytes: Uint8Array, at: number, end: number, rules: CodeRules) {
    super(bytes, at, end);
    this.rules = rules;
  }

  /** Passes a constant expression. */
  constantExpression(): void {
    for (;;) {
      const start = this.at;
      const opcode = this.byte();
      const kind = OPERANDS[opcode];
      this.operands(kind === PREFIX ? this.prefixedKind(opcode, start) : kind, start);
      if (opcode === END) return;
    }
  }

  /** The kind behind a prefix, whose second part is passed. `start` is the place of the prefix. */
  prefixedKind(prefix: number, start: number): number {
    if (prefix === GC_PREFIX && !this.rules.allowGc) {
      this.refuse('an instruction on garbage-collected objects, which the memory cap does not cover', start);
    }
    return prefixedOperands(prefix, this.u32());
  }

  /** Passes the operands of the instruction that began at `start`. */
  operands(kind: number, start: number): void {
    switch (kind) {
      case NONE:
        break;
      case LEB:
      case BULK_LEB:
        this.skipLeb();
        break;
      case MEMORY_ARGUMENT:
        this.memoryArgument(start);
        break;
      case BLOCK_TYPE:
      case LOOP:
        this.blockType();
        break;
      case CALL:
        this.callTarget = this.functionIndex(start);
        break;
      case CALL_REFERENCE:
        this.skipLeb();
        break;
      case CALL_INDIRECT:
      case TWO_LEBS:
      case BULK_TWO_LEBS:
        this.skipLeb();
        this.skipLeb();
        break;
      case FOUR_BYTES:
        this.skip(4);
        break;
      case EIGHT_BYTES:
        this.skip(8);
        break;
      case SIXTEEN_BYTES:
        this.skip(16);
        break;
      case ONE_BYTE:
        this.skip(1);
        break;
      default:
        this.#rareOperands(kind, start);
    }
  }

  #rareOperands(kind: number, start: number): void {
    switch (kind) {
      case MEMORY_ARGUMENT_AND_LANE:
        this.memoryArgument(start);
        this.skip(1);
        break;
      case BRANCH_TABLE:
        for (let count = this.u32(); count >= 0; count--) this.skipLeb();
        break;
      case VALUE_TYPES:
        for (let count = this.u32(); count > 0; count--) this.valueType();
        break;
      case TRY_TABLE:
        this.#tryTable();
        break;
      case FUNCTION_REFERENCE:
        this.functionIndex(start);
        break;
      case MEMORY_INDEX:
      case MEMORY_GROW:
      case MEMORY_FILL:
        this.memoryIndex(start);
        break;
      case MEMORY_COPY:
        this.memoryIndex(start);
        this.memoryIndex(start);
        break;
      case MEMORY_INIT:
        this.skipLeb();
        this.memoryIndex(start);
        break;
      case BRANCH_ON_CAST:
        this.skip(1);
        this.skipLeb();
        this.skipLeb();
        this.skipLeb();
        break;
      default:
        this.#unknown(kind, start);
    }
  }

  functionIndex(start: number): number {
    const index = this.u32();
    if (index >= this.rules.functionCount) this.refuse('a function that the module does not have', start);
    return index;
  }

  memoryIndex(start: number): void {
    if (this.u32() >= this.rules.memoryCount) this.refuse('a memory that the module does not have', start);
  }

  memoryArgument(start: number): void {
    const alignment = this.u32();
    if ((alignment & ~MULTI_MEMORY_BIT) > MAX_ALIGNMENT) this.refuse('alignment of an unknown kind', start);
    if ((alignment & MULTI_MEMORY_BIT) !== 0) this.memoryIndex(start);
    else if (this.rules.memoryCount === 0) this.refuse('a memory that the module does not have', start);
    this.skipLeb();
  }

  /** A value type, nothing (0x40), or the index of a function type. */
  blockType(): void {
    const first = this.bytes[this.at];
    if (first === 0x63 || first === 0x64) this.skip(1);
    this.skipLeb();
  }

  #tryTable(): void {
    this.blockType();
    for (let count = this.u32(); count > 0; count--) {
      const kind = this.byte();
      if (kind > MAX_CATCH_KIND) this.refuse('a catch clause of an unknown kind', this.at - 1);
      // catch and catch_ref name a tag; catch_all and catch_all_ref do not.
      if (kind < 2) this.skipLeb();
      this.skipLeb();
    }
  }

  #unknown(kind: number, start: number): never {
    const { bytes } = this;
    const prefixed = OPERANDS[bytes[start]] === PREFIX;
    const name = [...bytes.subarray(start, prefixed ? this.at : start + 1)]
      .map(byte => byte.toString(16).padStart(2, '0'))
      .join(' ');
    this.refuse(kind === UNKNOWN ? `unknown instruction ${name}` : `instruction ${name} out of place`, start);
  }
}
