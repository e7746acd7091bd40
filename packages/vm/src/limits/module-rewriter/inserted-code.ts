// The instructions that rewriting inserts, and the layout of the shared memory they work on. Pure.

import { unsignedLeb } from './encoding.ts';

/** Name of the imported memory with the kill word. */
export const KILL_WORD_IMPORT = 'kill_word';

/** Byte addresses in that memory. */
export const KillWordLayout = {
  /** 0: no guest runs; a positive number: that call of a guest runs; negative: that call must end. */
  CallNumber: 0,
  /** How long the running call may take, in milliseconds; 0: for ever. */
  DeadlineMs: 4,
  /** Number of the last call in which the guest's memory was not allowed to grow. */
  GrowthRefused: 8,
  /** The system's id of the thread that runs the calls; 0: not known. */
  ThreadId: 12,
} as const;

const I32_CONST = 0x41;
const I32_LOAD = 0x28;
const I32_STORE = 0x36;
const I32_EQ = 0x46;
const I32_LT_S = 0x48;
const LOCAL_GET = 0x20;
const IF = 0x04;
const EMPTY = 0x40;
const UNREACHABLE = 0x00;
const END = 0x0b;

/** Operands of a four-byte access to memory `index`. */
const access = (index: number): number[] => (index === 0 ? [2, 0] : [0x42, ...unsignedLeb(index), 0]);

/**
 * Traps when the kill word is negative. Neutral on the stack, so it can stand before any instruction. A plain load: an
 * atomic one costs twice as much, and V8 hoists neither out of a loop. No guest can catch `unreachable`; an exception
 * thrown by an imported function it can.
 */
export function checkCode(killWordMemory: number): Uint8Array {
  const load = [I32_CONST, KillWordLayout.CallNumber, I32_LOAD, ...access(killWordMemory)];
  return Uint8Array.from([...load, I32_CONST, 0, I32_LT_S, IF, EMPTY, UNREACHABLE, END]);
}

/** Body of a function (i32) -> (i32) that every result of memory.grow passes through: it notes a refusal. */
export function growthNoteBody(killWordMemory: number): number[] {
  const minusOne = 0x7f;
  const memory = access(killWordMemory);
  return [
    ...[0, LOCAL_GET, 0, I32_CONST, minusOne, I32_EQ, IF, EMPTY],
    ...[I32_CONST, KillWordLayout.GrowthRefused],
    ...[I32_CONST, KillWordLayout.CallNumber, I32_LOAD, ...memory, I32_STORE, ...memory],
    ...[END, LOCAL_GET, 0, END],
  ];
}

/** Calls the function with that index. */
export function callCode(functionIndex: number): Uint8Array {
  return Uint8Array.from([0x10, ...unsignedLeb(functionIndex)]);
}
