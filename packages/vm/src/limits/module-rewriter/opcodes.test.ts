// The opcode tables against the engine that runs the tests: what one knows the other knows, and both agree on where an
// instruction ends. V8 tells the place of an opcode it does not know, and 0xff it never knows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leb } from '@dragoman/testkit';
import { InstructionCursor } from './instruction-cursor.ts';
import * as opcodes from './opcodes.ts';

const { OPERANDS, prefixedOperands, PREFIX, UNKNOWN } = opcodes;

const section = (id: number, content: number[]) => [id, ...leb(content.length), ...content];
const FUNCREF = 0x70;

/** Types: 0 ()->(), 1 (i32)->(i32), 2 struct {mut i32, mut i8}, 3 array of mut i32, 4 array of mut funcref, 5 array of mut i8. */
const TYPES = [
  ...[6, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f],
  ...[0x5f, 2, 0x7f, 1, 0x78, 1, 0x5e, 0x7f, 1, 0x5e, FUNCREF, 1, 0x5e, 0x78, 1],
];

/** A module whose only function has an i32 local and that body; the place of the body's first instruction. */
function moduleOf(body: readonly number[]): { bytes: Uint8Array; start: number } {
  const before = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, TYPES),
    ...section(3, [1, 0]),
    ...section(4, [1, FUNCREF, 0, 1]),
    ...section(5, [1, 0, 1]),
    ...section(13, [1, 0, 0]),
    ...section(6, [1, 0x7f, 1, 0x41, 0, 0x0b]),
    ...section(9, [2, 1, 0, 1, 0, 5, FUNCREF, 1, 0xd2, 0, 0x0b]),
    ...section(12, [1]),
  ];
  const code = [1, 1, 0x7f, ...body, 0x0b];
  const codeSection = section(10, [1, ...leb(code.length), ...code]);
  const bytes = Uint8Array.from([...before, ...codeSection, ...section(11, [1, 1, 1, 0])]);
  return { bytes, start: before.length + codeSection.length - code.length + 3 };
}

/** Place, relative to the body, of what the engine refuses; -1 when it refuses nothing. */
function engineRefusal(body: readonly number[]): { at: number; message: string } {
  const { bytes, start } = moduleOf(body);
  try {
    new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    const { message } = error as Error;
    return { at: Number(/@\+(\d+)/.exec(message)![1]) - start, message };
  }
  return { at: -1, message: 'nothing' };
}

/** LEBs in two bytes, so that they cannot pass for something else; a heap type is a negative one. */
const lebs = [0, 1, 2, 3, 4, 5].map(value => [0x80 | value, 0]);
const HEAP_TYPES = [
  [0xf0, 0x7f],
  [0x90 + 0x60, 0x7f],
];
const MEMORY = [
  [0x80, 0, 0x80, 0],
  [0x81, 0, 0x80, 0],
  [0x82, 0, 0x80, 0],
  [0x83, 0, 0x80, 0],
  [0xc0, 0, 0x80, 0, 0x80, 0],
];
const pairs = (list: number[][]) => list.flatMap(a => list.map(b => [...a, ...b]));

/** Operands to try for each kind: one of them is right. */
const CANDIDATES: Readonly<Record<number, number[][]>> = {
  [opcodes.NONE]: [[]],
  [opcodes.LEB]: [...lebs, ...HEAP_TYPES],
  [opcodes.MEMORY_ARGUMENT]: MEMORY,
  [opcodes.BLOCK_TYPE]: [[0x40], [0x7f], [0x63, 0x70], [0x63, 0xf0, 0x7f]],
  [opcodes.LOOP]: [[0x40]],
  [opcodes.CALL]: lebs,
  [opcodes.CALL_INDIRECT]: pairs(lebs),
  [opcodes.CALL_REFERENCE]: lebs,
  [opcodes.TWO_LEBS]: pairs(lebs),
  [opcodes.BRANCH_TABLE]: [[0x82, 0, 0x80, 0, 0, 0x80, 0]],
  [opcodes.TRY_TABLE]: [
    [0x40, 0x82, 0, 0, 0x80, 0, 0, 2, 0x80, 0],
    [0x40, 0],
  ],
  [opcodes.VALUE_TYPES]: [
    [0x81, 0, 0x7f],
    [0x81, 0, 0x63, 0xf0, 0x7f],
  ],
  [opcodes.FOUR_BYTES]: [[0xff, 0xff, 0xff, 0xff]],
  [opcodes.EIGHT_BYTES]: [new Array(8).fill(0xff)],
  [opcodes.SIXTEEN_BYTES]: [new Array(16).fill(0x0f)],
  [opcodes.ONE_BYTE]: [[0]],
  [opcodes.MEMORY_ARGUMENT_AND_LANE]: MEMORY.map(bytes => [...bytes, 0]),
  [opcodes.MEMORY_INDEX]: [[0x80, 0]],
  [opcodes.BRANCH_ON_CAST]: [
    [3, 0x80, 0, 0xee, 0x7f, 0xeb, 0x7f],
    [0, 0x80, 0, 0xee, 0x7f, 0xeb, 0x7f],
  ],
  [opcodes.FUNCTION_REFERENCE]: [[0x80, 0]],
  [opcodes.MEMORY_GROW]: [[0x80, 0]],
  [opcodes.MEMORY_FILL]: [[0x80, 0]],
  [opcodes.MEMORY_COPY]: [[0x80, 0, 0x80, 0]],
  [opcodes.MEMORY_INIT]: [[0x80, 0, 0x80, 0]],
  [opcodes.BULK_LEB]: lebs,
  [opcodes.BULK_TWO_LEBS]: pairs(lebs),
};

const UNREACHABLE = 0x00;
const UNKNOWN_OPCODE = 0xff;
const BLOCK = [0x02, 0x40];
/** What must stand before an opcode for it to be in its place; `unreachable` makes every operand type right. */
const PROLOGUES: Readonly<Record<number, number[]>> = {
  5: [UNREACHABLE, 0x04, 0x40, UNREACHABLE],
  7: [0x06, 0x40, UNREACHABLE],
  9: [0x06, 0x40, 0x19, UNREACHABLE],
  11: [...BLOCK, UNREACHABLE],
  24: [0x06, 0x40, UNREACHABLE],
  25: [0x06, 0x40, UNREACHABLE],
};
const EXPECTS_I32_BLOCK = [0x02, 0x63, 0x6e, UNREACHABLE];

function checkKnown(opcode: readonly number[], kind: number): void {
  const prologues = [PROLOGUES[opcode[0]] ?? [UNREACHABLE], EXPECTS_I32_BLOCK];
  for (const prologue of prologues) {
    for (const operands of CANDIDATES[kind]) {
      const head = [...prologue, ...opcode, ...operands];
      const refusal = engineRefusal([...head, UNKNOWN_OPCODE]);
      if (refusal.at !== head.length || !/[Ii]nvalid opcode 0xff/.test(refusal.message)) continue;
      const cursor = new InstructionCursor(
        Uint8Array.from([...head, UNKNOWN_OPCODE]),
        prologue.length + opcode.length,
        head.length + 1,
        { memoryCount: 1, functionCount: 6, allowGc: true },
      );
      cursor.operands(kind, prologue.length);
      assert.equal(cursor.at, head.length, `${hex(opcode)}: the cursor does not stop where the engine does`);
      return;
    }
  }
  const sample = CANDIDATES[kind].map(operands =>
    engineRefusal([...prologues[0], ...opcode, ...operands, 0xff]),
  );
  assert.fail(`${hex(opcode)} of kind ${kind}: the engine says ${sample.map(({ message }) => message)}`);
}

/** struct.new_desc and struct.new_default_desc: V8 reads them, and then wants types that are experimental. */
const DESCRIPTOR_OPCODES = ['fb 20', 'fb 21'];

function checkUnknown(opcode: readonly number[]): void {
  if (DESCRIPTOR_OPCODES.includes(hex(opcode))) {
    assert.match(engineRefusal([UNREACHABLE, ...opcode, 2]).message, /without descriptor/);
    return;
  }
  const { at, message } = engineRefusal([UNREACHABLE, ...opcode, 0, 0, 0, 0]);
  assert.equal(at, 1, `${hex(opcode)}: unknown to the table, but the engine says ${message}`);
  assert.match(message, /[Ii]nvalid .*opcode/, hex(opcode));
}

const hex = (bytes: readonly number[]) => bytes.map(byte => byte.toString(16).padStart(2, '0')).join(' ');

describe('opcodes', () => {
  test('single bytes: the engine knows the same ones, and they are as long', () => {
    for (let opcode = 0; opcode < 256; opcode++) {
      const kind = OPERANDS[opcode];
      if (kind === PREFIX) continue;
      if (kind === UNKNOWN) checkUnknown([opcode]);
      else checkKnown([opcode], kind);
    }
  });

  for (const [prefix, name] of [
    [0xfb, 'garbage collection'],
    [0xfc, 'numeric and bulk'],
    [0xfd, 'SIMD'],
    [0xfe, 'atomics'],
  ] as const) {
    test(`${name}: the engine knows the same ones, and they are as long`, () => {
      for (let opcode = 0; opcode < 0x180; opcode++) {
        const kind = prefixedOperands(prefix, opcode);
        if (kind === UNKNOWN) checkUnknown([prefix, ...leb(opcode)]);
        else checkKnown([prefix, ...leb(opcode)], kind);
      }
    });
  }

  test('a prefixed opcode in more bytes than it needs is the same one', () => {
    const body = [UNREACHABLE, 0xfd, 0x8c, 0x80, 0x00, ...new Array(16).fill(0), UNKNOWN_OPCODE];
    assert.equal(engineRefusal(body).at, body.length - 1);
    const cursor = new InstructionCursor(Uint8Array.from(body), 2, body.length, {
      memoryCount: 1,
      functionCount: 1,
      allowGc: false,
    });
    cursor.operands(cursor.prefixedKind(0xfd, 1), 1);
    assert.equal(cursor.at, body.length - 1);
  });
});
