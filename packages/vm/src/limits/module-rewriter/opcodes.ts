// What follows each instruction in the code of a module, as tables: every opcode that V8 accepts without experimental
// switches. opcodes.test.ts holds the tables against the engine itself.

/** Kinds of operands. The three that almost all instructions have come first: the scan tests for them in line. */
export const NONE = 0;
/** One LEB128: an index, a label, a constant, a heap type. */
export const LEB = 1;
export const MEMORY_ARGUMENT = 2;
export const UNKNOWN = 3;
export const PREFIX = 4;
export const BLOCK_TYPE = 5;
export const LOOP = 6;
/** `call` and `return_call`: the index of a function. */
export const CALL = 7;
/** A call whose target only the running program knows; with a type and a table, or with a type. */
export const CALL_INDIRECT = 8;
export const CALL_REFERENCE = 9;
export const TWO_LEBS = 10;
export const BRANCH_TABLE = 11;
export const TRY_TABLE = 12;
export const VALUE_TYPES = 13;
export const FOUR_BYTES = 14;
export const EIGHT_BYTES = 15;
export const SIXTEEN_BYTES = 16;
export const ONE_BYTE = 17;
export const MEMORY_ARGUMENT_AND_LANE = 18;
export const MEMORY_INDEX = 19;
export const BRANCH_ON_CAST = 20;
export const FUNCTION_REFERENCE = 21;
/** From here on: one instruction that can work for long or take much. */
export const FIRST_BULK = 22;
export const MEMORY_GROW = 22;
export const MEMORY_FILL = 23;
export const MEMORY_COPY = 24;
export const MEMORY_INIT = 25;
export const BULK_LEB = 26;
export const BULK_TWO_LEBS = 27;

export const END = 0x0b;
export const GC_PREFIX = 0xfb;

const table = (size: number, fill: number, ...ranges: [first: number, last: number, kind: number][]) => {
  const kinds = new Uint8Array(size).fill(fill);
  for (const [first, last, kind] of ranges) kinds.fill(kind, first, last + 1);
  return kinds;
};

/** By opcode. */
export const OPERANDS = table(
  256,
  UNKNOWN,
  [0x00, 0x01, NONE], // unreachable, nop
  [0x02, 0x02, BLOCK_TYPE], // block
  [0x03, 0x03, LOOP],
  [0x04, 0x04, BLOCK_TYPE], // if
  [0x05, 0x05, NONE], // else
  [0x06, 0x06, BLOCK_TYPE], // try
  [0x07, 0x09, LEB], // catch, throw, rethrow
  [0x0a, 0x0b, NONE], // throw_ref, end
  [0x0c, 0x0d, LEB], // br, br_if
  [0x0e, 0x0e, BRANCH_TABLE],
  [0x0f, 0x0f, NONE], // return
  [0x10, 0x10, CALL],
  [0x11, 0x11, CALL_INDIRECT],
  [0x12, 0x12, CALL], // return_call
  [0x13, 0x13, CALL_INDIRECT], // return_call_indirect
  [0x14, 0x15, CALL_REFERENCE], // call_ref, return_call_ref
  [0x18, 0x18, LEB], // delegate
  [0x19, 0x1b, NONE], // catch_all, drop, select
  [0x1c, 0x1c, VALUE_TYPES], // select with types
  [0x1f, 0x1f, TRY_TABLE],
  [0x20, 0x26, LEB], // locals, globals, table.get, table.set
  [0x28, 0x3e, MEMORY_ARGUMENT], // loads and stores
  [0x3f, 0x3f, MEMORY_INDEX], // memory.size
  [0x40, 0x40, MEMORY_GROW],
  [0x41, 0x42, LEB], // i32.const, i64.const
  [0x43, 0x43, FOUR_BYTES], // f32.const
  [0x44, 0x44, EIGHT_BYTES], // f64.const
  [0x45, 0xc4, NONE], // numbers
  [0xd0, 0xd0, LEB], // ref.null
  [0xd1, 0xd1, NONE], // ref.is_null
  [0xd2, 0xd2, FUNCTION_REFERENCE], // ref.func
  [0xd3, 0xd4, NONE], // ref.eq, ref.as_non_null
  [0xd5, 0xd6, LEB], // br_on_null, br_on_non_null
  [0xfb, 0xfe, PREFIX],
);

/** Objects of the garbage-collected heap. */
const GC = table(
  31,
  UNKNOWN,
  [0x00, 0x01, BULK_LEB], // struct.new, struct.new_default
  [0x02, 0x05, TWO_LEBS], // struct.get, _s, _u, struct.set
  [0x06, 0x07, BULK_LEB], // array.new, array.new_default
  [0x08, 0x0a, BULK_TWO_LEBS], // array.new_fixed, _data, _elem
  [0x0b, 0x0e, LEB], // array.get, _s, _u, array.set
  [0x0f, 0x0f, NONE], // array.len
  [0x10, 0x10, BULK_LEB], // array.fill
  [0x11, 0x13, BULK_TWO_LEBS], // array.copy, array.init_data, array.init_elem
  [0x14, 0x17, LEB], // ref.test, ref.cast
  [0x18, 0x19, BRANCH_ON_CAST],
  [0x1a, 0x1e, NONE], // any.convert_extern, extern.convert_any, i31
);

/** Saturating conversions, bulk memory and tables. */
const NUMERIC_AND_BULK = table(
  18,
  UNKNOWN,
  [0, 7, NONE],
  [8, 8, MEMORY_INIT],
  [9, 9, LEB], // data.drop
  [10, 10, MEMORY_COPY],
  [11, 11, MEMORY_FILL],
  [12, 12, BULK_TWO_LEBS], // table.init
  [13, 13, LEB], // elem.drop
  [14, 14, BULK_TWO_LEBS], // table.copy
  [15, 15, BULK_LEB], // table.grow
  [16, 16, LEB], // table.size
  [17, 17, BULK_LEB], // table.fill
);

const SIMD = table(
  0x114,
  NONE,
  [0, 11, MEMORY_ARGUMENT], // v128.load and its relatives, v128.store
  [12, 13, SIXTEEN_BYTES], // v128.const, i8x16.shuffle
  [21, 34, ONE_BYTE], // lanes
  [84, 91, MEMORY_ARGUMENT_AND_LANE],
  [92, 93, MEMORY_ARGUMENT], // v128.load32_zero, v128.load64_zero
  ...[0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb].map(gap),
  ...[0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee].map(gap),
);

function gap(opcode: number): [number, number, number] {
  return [opcode, opcode, UNKNOWN];
}

const ATOMIC = table(
  0x4f,
  UNKNOWN,
  [0x00, 0x02, MEMORY_ARGUMENT], // notify, wait32, wait64
  [0x03, 0x03, ONE_BYTE], // fence
  [0x10, 0x4e, MEMORY_ARGUMENT],
);

const PREFIXED: Readonly<Record<number, Uint8Array>> = {
  251: GC,
  252: NUMERIC_AND_BULK,
  253: SIMD,
  254: ATOMIC,
};

/** Operands of an instruction of two parts. */
export function prefixedOperands(prefix: number, opcode: number): number {
  const kinds = PREFIXED[prefix];
  return opcode < kinds.length ? kinds[opcode] : UNKNOWN;
}

/** 1 for instructions after which control may be elsewhere: code up to the first of them runs in one go. */
export const ENDS_STRAIGHT_LINE = table(
  256,
  0,
  [0x00, 0x00, 1], // unreachable
  [0x03, 0x19, 1], // all of control but nop and block
  [0x1f, 0x1f, 1], // try_table
  [0xd5, 0xd6, 1], // br_on_null, br_on_non_null
  [0xfb, 0xfb, 1], // br_on_cast among others
);
