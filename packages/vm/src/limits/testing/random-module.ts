// Valid modules out of a list of numbers: every number is a choice, so that a property test can shrink them. They use
// structured control, calls of every kind, several memories, bulk operations, exceptions and vectors, and always end:
// loops and calls take from a budget and trap when it is used up. For tests.

import { leb, signedLeb } from '@dragoman/testkit';

/** Exports of such a module besides its functions f0, f1, ... */
export const RandomExports = { Fuel: 'fuel', Iterations: 'iterations', Memory: 'memory' } as const;

const FUNCTION_COUNT = 5;
/** Local 0 and 1 are parameters: i32 and i64. */
const LOCALS = { i32: [0, 2, 3], i64: [1, 4] } as const;
const Global = { Fuel: 0, Iterations: 1, Scratch: 2 } as const;
const HOST = 0;
const IMPORTED_FUNCTIONS = 1;
const MAX_DEPTH = 5;
const I32 = 0x7f;
const I64 = 0x7e;
const FUNCREF = 0x70;
const EMPTY = 0x40;

type Code = number[];

const section = (id: number, content: Code): Code => [id, ...leb(content.length), ...content];
const text = (value: string): Code => [...leb(value.length), ...Buffer.from(value)];
const i32 = (value: number): Code => [0x41, ...signedLeb(value)];
const chargeFuel: Code = [
  ...[0x23, Global.Fuel, 0x41, 1, 0x6b, 0x24, Global.Fuel],
  ...[0x23, Global.Fuel, 0x41, 0, 0x48, 0x04, EMPTY, 0x00, 0x0b],
];
const countIteration: Code = [0x23, Global.Iterations, 0x41, 1, 0x6a, 0x24, Global.Iterations];

/** Builds one module from choices; choices that run out are 0. */
export class RandomModule {
  readonly #choices: readonly number[];
  #next = 0;
  #secondMemory = false;

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  build(): Uint8Array<ArrayBuffer> {
    this.#secondMemory = this.#choose(2) === 1;
    const functions = Array.from({ length: FUNCTION_COUNT }, () => this.#body());
    const count = FUNCTION_COUNT + IMPORTED_FUNCTIONS;
    const elements = Array.from({ length: count }, (_, index) => index);
    const exports = [
      ...Array.from({ length: FUNCTION_COUNT }, (_, i) => [...text(`f${i}`), 0, i + IMPORTED_FUNCTIONS]),
      [...text(RandomExports.Fuel), 3, Global.Fuel],
      [...text(RandomExports.Iterations), 3, Global.Iterations],
      [...text(RandomExports.Memory), 2, 0],
    ];
    const bodies = functions.map(body => [...leb(body.length), ...body]);
    return Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      // 0: (i32 i64) -> i32, 1: (i32) -> (), 2: () -> (), 3: (i32) -> (i32)
      ...section(1, [4, 0x60, 2, I32, I64, 1, I32, 0x60, 1, I32, 0, 0x60, 0, 0, 0x60, 1, I32, 1, I32]),
      ...section(2, [1, ...text('env'), ...text('host'), 0, 0]),
      ...section(3, [FUNCTION_COUNT, ...new Array(FUNCTION_COUNT).fill(0)]),
      ...section(4, [1, FUNCREF, 0, 10]),
      ...section(5, this.#secondMemory ? [2, 1, 1, 3, 1, 1, 2] : [1, 1, 1, 3]),
      ...section(13, [1, 0, 1]),
      ...section(6, [3, ...new Array(3).fill([I32, 1, 0x41, 0, 0x0b]).flat()]),
      ...section(7, [exports.length, ...exports.flat()]),
      ...section(9, [1, 0, 0x41, 0, 0x0b, count, ...elements]),
      ...section(12, [1]),
      ...section(10, [FUNCTION_COUNT, ...bodies.flat()]),
      ...section(11, [1, 1, 4, 1, 2, 3, 4]),
      ...section(0, [...text('producers'), 0]),
    ]);
  }

  #choose(options: number): number {
    return (this.#choices[this.#next++] ?? 0) % options;
  }

  #body(): Code {
    const statements = this.#statements(0);
    return [2, 2, I32, 1, I64, ...chargeFuel, ...statements, ...this.#i32(0), 0x0b];
  }

  #statements(depth: number): Code {
    const code: Code = [];
    for (let count = 1 + this.#choose(3); count > 0; count--) code.push(...this.#statement(depth));
    return code;
  }

  #statement(depth: number): Code {
    const leaves = 7;
    switch (this.#choose(depth >= MAX_DEPTH ? leaves : leaves + 7)) {
      case 0:
        return [0x01];
      case 1:
        return [...this.#i32(depth + 1), 0x21, this.#local('i32')];
      case 2:
        return [...this.#i64(depth + 1), 0x21, this.#local('i64')];
      case 3:
        return [...this.#address(), ...this.#i32(depth + 1), 0x36, ...this.#access(2)];
      case 4:
        return [...this.#i32(depth + 1), 0x24, Global.Scratch];
      case 5:
        return this.#bulk(depth);
      case 6:
        return this.#branch(depth);
      default:
        return this.#control(depth);
    }
  }

  #control(depth: number): Code {
    switch (this.#choose(6)) {
      case 0:
        return [0x03, EMPTY, ...chargeFuel, ...countIteration, ...this.#inside(depth, true), 0x0b];
      case 1:
        return [0x02, EMPTY, ...this.#inside(depth, false), 0x0b];
      case 2:
        return [...this.#i32(depth + 1), 0x04, EMPTY, ...this.#inside(depth, false), 0x0b];
      case 3: {
        const condition = this.#i32(depth + 1);
        const then = this.#inside(depth, false);
        return [...condition, 0x04, EMPTY, ...then, 0x05, ...this.#inside(depth, false), 0x0b];
      }
      // A loop that takes and gives a value.
      case 4:
        return [...i32(3), 0x03, 3, 0x1a, ...this.#inside(depth, false), ...i32(4), 0x0b, 0x1a];
      default: {
        // block (result i32), try_table (catch tag 0 to the block): what is thrown is dropped.
        const body = this.#statements(depth + 1);
        const throws = this.#choose(2) === 1 ? [...this.#i32(depth + 1), 0x08, 0] : [];
        return [0x02, I32, 0x1f, EMPTY, 1, 0, 0, 0, ...body, ...throws, 0x0b, ...i32(0), 0x0b, 0x1a];
      }
    }
  }

  /** Statements inside a block; at the end of a loop perhaps a branch back. */
  #inside(depth: number, isLoop: boolean): Code {
    const code = this.#statements(depth + 1);
    if (isLoop && this.#choose(2) === 1) code.push(...this.#i32(depth + 1), 0x0d, 0);
    return code;
  }

  /** Ways out of blocks and functions. */
  #branch(depth: number): Code {
    switch (this.#choose(4)) {
      case 0:
        return [...this.#i32(depth + 1), 0x04, EMPTY, ...this.#i32(depth + 1), 0x0f, 0x0b];
      case 1:
        // block block (br_table 0 1 0) end end
        return [0x02, EMPTY, 0x02, EMPTY, ...this.#i32(depth + 1), 0x0e, 2, 0, 1, 0, 0x0b, ...[0x01], 0x0b];
      case 2:
        return [0x02, EMPTY, ...this.#i32(depth + 1), 0x0d, 0, ...this.#i32(depth + 1), 0x1a, 0x0b];
      default:
        return [...this.#i32(depth + 1), 0x04, EMPTY, ...this.#tailCall(depth), 0x0b];
    }
  }

  #tailCall(depth: number): Code {
    const args = [...this.#i32(depth + 1), ...this.#i64(depth + 1)];
    if (this.#choose(2) === 0) return [...args, 0x12, this.#callee()];
    return [...args, ...i32(this.#choose(12)), 0x13, 0, 0];
  }

  #bulk(depth: number): Code {
    const size = i32(this.#choose(300));
    switch (this.#choose(7)) {
      case 0:
        return [...this.#address(), ...this.#i32(depth + 1), ...size, 0xfc, 11, this.#memory()];
      case 1:
        return [...this.#address(), ...this.#address(), ...size, 0xfc, 10, this.#memory(), this.#memory()];
      case 2:
        return [...this.#address(), ...i32(0), ...i32(this.#choose(5)), 0xfc, 8, 0, this.#memory()];
      case 3:
        return [...i32(this.#choose(3)), 0x40, this.#memory(), 0x24, Global.Scratch];
      case 4:
        return [0xd0, FUNCREF, ...i32(this.#choose(3)), 0xfc, 15, 0, 0x1a];
      case 5:
        return [...i32(this.#choose(8)), 0xd2, this.#callee(), ...i32(this.#choose(4)), 0xfc, 17, 0];
      default:
        return [...this.#address(), ...this.#vector(depth), 0xfd, 11, ...this.#access(4)];
    }
  }

  #vector(depth: number): Code {
    return this.#choose(2) === 0
      ? [...this.#i32(depth + 1), 0xfd, 0x11]
      : [0xfd, 0x0c, ...Array.from({ length: 16 }, () => this.#choose(256))];
  }

  #i32(depth: number): Code {
    const leaves = 5;
    switch (this.#choose(depth >= MAX_DEPTH ? leaves : leaves + 9)) {
      case 0:
        return i32(this.#choose(1000) - 500);
      case 1:
      case 2:
        return [0x20, this.#local('i32')];
      case 3:
        return [0x23, Global.Scratch];
      case 4:
        return [0x3f, this.#memory()];
      case 5:
        return [...this.#address(), 0x28, ...this.#access(2)];
      case 6:
        return [...this.#i64(depth + 1), 0xa7];
      case 7:
        return [...this.#i32(depth + 1), ...this.#i64(depth + 1), 0x10, this.#callee()];
      case 8:
        return [...this.#i32(depth + 1), ...this.#i64(depth + 1), 0x10, HOST];
      case 9:
        return [...this.#i32(depth + 1), ...this.#i64(depth + 1), ...i32(this.#choose(12)), 0x11, 0, 0];
      case 10:
        return [...this.#vector(depth), 0xfd, 0x1b, this.#choose(4)];
      case 11:
        return [...this.#i32(depth + 1), 0xb7, 0xfc, 0x02];
      case 12:
        return [...this.#i32(depth + 1), ...this.#i32(depth + 1), ...this.#i32(depth + 1), 0x1b];
      default:
        // add to rotr, with divisions that trap
        return [...this.#i32(depth + 1), ...this.#i32(depth + 1), 0x6a + this.#choose(15)];
    }
  }

  #i64(depth: number): Code {
    switch (this.#choose(depth >= MAX_DEPTH ? 2 : 5)) {
      case 0:
        return [0x42, ...signedLeb(this.#choose(2000) - 1000)];
      case 1:
        return [0x20, this.#local('i64')];
      case 2:
        return [...this.#i32(depth + 1), 0xac];
      case 3:
        return [...this.#address(), 0x29, ...this.#access(3)];
      default:
        return [...this.#i64(depth + 1), ...this.#i64(depth + 1), 0x7c + this.#choose(3)];
    }
  }

  /** Mostly inside of memory. */
  #address(): Code {
    return i32(this.#choose(70_000));
  }

  /** Memory argument: alignment, memory, offset. */
  #access(alignment: number): Code {
    const memory = this.#memory();
    const offset = leb(this.#choose(300));
    return memory === 0 ? [alignment, ...offset] : [alignment | 0x40, memory, ...offset];
  }

  #memory(): number {
    return this.#secondMemory ? this.#choose(2) : 0;
  }

  #local(type: 'i32' | 'i64'): number {
    const locals = LOCALS[type];
    return locals[this.#choose(locals.length)];
  }

  #callee(): number {
    return IMPORTED_FUNCTIONS + this.#choose(FUNCTION_COUNT);
  }
}
