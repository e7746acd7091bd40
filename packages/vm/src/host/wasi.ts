// WASI preview 1 as plugins may use it (ABI reference 7.8): clocks, random, environment, output to the plugin's log.
// There are no sockets, and files only for plugins that are given some: otherwise those calls answer what the reference
// host answers.

import { randomFillSync } from 'node:crypto';
import { Errno, GuestLogLevel } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import { fileCalls } from '../wasi/file-calls.ts';
import type { WasiLayout } from '../wasi/layout.ts';
import type { VirtualDirectory } from '../wasi/virtual-directory.ts';
import type { HostFunctions } from './host-function.ts';
import { wallNanoseconds } from './logging.ts';

const MAX_RANDOM_BYTES = 65_536;
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
/** WASI right "fd_write", the one thing that can be done with descriptors 1 and 2. */
const RIGHT_TO_WRITE = 64n;
/** What the reference host's fd_readdir answers (not WASI's 54). */
const READDIR_ERRNO = 20;

const isOutput = (descriptor: number): boolean => descriptor === 1 || descriptor === 2;
const okForOutput = (descriptor: number): number => (isOutput(descriptor) ? Errno.Success : Errno.BadF);
const notSupported = (): number => Errno.NotSup;

/** The functions of one of WASI's module names. `files` is null for a plugin without files. */
export function wasiFunctions(vm: Vm, layout: WasiLayout, files: VirtualDirectory | null): HostFunctions {
  const functions = plainFunctions(vm);
  return files === null ? functions : { ...functions, ...fileCalls(vm, files, layout, functions) };
}

const plainFunctions = (vm: Vm): HostFunctions => ({
  args_get: () => Errno.Success,
  args_sizes_get: (count: number, size: number) => writeSizes(vm, count >>> 0, size >>> 0, 0, 0),
  environ_get: (pointers: number, text: number) => environGet(vm, pointers >>> 0, text >>> 0),
  environ_sizes_get: (count: number, size: number) => {
    const lines = environmentLines(vm);
    const bytes = lines.reduce((sum, line) => sum + line.length, 0);
    return writeSizes(vm, count >>> 0, size >>> 0, lines.length, bytes);
  },
  clock_time_get: (id: number, _precision: bigint, result: number) => clockTimeGet(vm, id, result >>> 0),
  clock_res_get: (id: number, result: number) => clockResGet(vm, id, result >>> 0),
  random_get: (target: number, size: number) => randomGet(vm, target >>> 0, size >>> 0),
  fd_write: (descriptor: number, vectors: number, count: number, written: number) =>
    fdWrite(vm, descriptor, vectors >>> 0, count >>> 0, written >>> 0),
  fd_pwrite: (descriptor: number, vectors: number, count: number, _offset: bigint, written: number) =>
    fdWrite(vm, descriptor, vectors >>> 0, count >>> 0, written >>> 0),
  fd_read: () => Errno.NoSys,
  fd_pread: () => Errno.NoSys,
  fd_seek: () => Errno.Success,
  fd_close: () => Errno.Success,
  fd_fdstat_get: (descriptor: number, result: number) => fdstatGet(vm, descriptor, result >>> 0),
  fd_fdstat_set_flags: () => Errno.NoSys,
  fd_fdstat_set_rights: okForOutput,
  fd_filestat_get: () => Errno.BadF,
  fd_filestat_set_size: okForOutput,
  fd_filestat_set_times: okForOutput,
  fd_advise: () => Errno.Success,
  fd_allocate: okForOutput,
  fd_datasync: okForOutput,
  fd_sync: okForOutput,
  fd_tell: (descriptor: number, result: number) => fdTell(vm, descriptor, result >>> 0),
  fd_readdir: (_descriptor: number, _buffer: number, _size: number, _cookie: bigint, used: number) =>
    writeCount(vm, used >>> 0, 0, READDIR_ERRNO),
  fd_renumber: (from: number, to: number) => (isOutput(from) && isOutput(to) ? Errno.NotSup : Errno.BadF),
  fd_prestat_get: () => Errno.BadF,
  fd_prestat_dir_name: () => Errno.NoSys,
  path_open: () => Errno.NoEnt,
  path_filestat_get: notSupported,
  path_filestat_set_times: notSupported,
  path_create_directory: notSupported,
  path_remove_directory: notSupported,
  path_unlink_file: notSupported,
  path_link: notSupported,
  path_readlink: notSupported,
  path_rename: notSupported,
  path_symlink: notSupported,
  poll_oneoff: (_subscriptions: number, _events: number, _count: number, result: number) =>
    // Nobody sleeps in a proxy's callback: Go's scheduler goes on when told that nothing happened.
    writeCount(vm, result >>> 0, 0, Errno.Success),
  sched_yield: () => Errno.Success,
  sock_accept: notSupported,
  sock_recv: notSupported,
  sock_send: notSupported,
  sock_shutdown: notSupported,
  proc_exit: (code: number) => {
    // It returns, as in the reference host: guests follow it with `unreachable` where they cannot go on.
    vm.log(GuestLogLevel.Debug, `proc_exit(${code}) called`);
    return undefined;
  },
  proc_raise: () => Errno.NoSys,
});

/** Answers `errno` once the count is written. */
function writeCount(vm: Vm, result: number, count: number, errno: number): number {
  if (!vm.memory.fits(result, 4)) return Errno.Fault;
  vm.memory.setUint32(result, count);
  return errno;
}

function writeSizes(vm: Vm, count: number, size: number, countValue: number, sizeValue: number): number {
  if (!vm.memory.fits(count, 4) || !vm.memory.fits(size, 4)) return Errno.Fault;
  vm.memory.setUint32(count, countValue);
  vm.memory.setUint32(size, sizeValue);
  return Errno.Success;
}

/** "KEY=VALUE\0" of every configured variable. */
function environmentLines(vm: Vm): Buffer[] {
  const lines: Buffer[] = [];
  for (const [key, value] of vm.options.environment ?? []) lines.push(Buffer.from(`${key}=${value}\0`));
  return lines;
}

function environGet(vm: Vm, pointers: number, text: number): number {
  const { memory } = vm;
  let at = text;
  let slot = pointers;
  for (const line of environmentLines(vm)) {
    if (!memory.fits(slot, 4) || !memory.fits(at, line.length)) return Errno.Fault;
    memory.setUint32(slot, at);
    memory.bytes.set(line, at);
    slot += 4;
    at += line.length;
  }
  return Errno.Success;
}

function clockTimeGet(vm: Vm, id: number, result: number): number {
  if (id !== CLOCK_REALTIME && id !== CLOCK_MONOTONIC) return Errno.NotSup;
  if (!vm.memory.fits(result, 8)) return Errno.Fault;
  const now =
    id === CLOCK_REALTIME ? wallNanoseconds(vm) : BigInt(Math.round(vm.host.clock.nowMs() * 1000)) * 1000n;
  vm.memory.setUint64(result, now);
  return Errno.Success;
}

function clockResGet(vm: Vm, id: number, result: number): number {
  if (id !== CLOCK_REALTIME && id !== CLOCK_MONOTONIC) return Errno.NotSup;
  if (!vm.memory.fits(result, 8)) return Errno.Fault;
  vm.memory.setUint64(result, 1n);
  return Errno.Success;
}

function randomGet(vm: Vm, target: number, size: number): number {
  if (size > MAX_RANDOM_BYTES) return Errno.Inval;
  if (size === 0) return Errno.Success;
  if (!vm.memory.fits(target, size)) return Errno.Fault;
  randomFillSync(vm.memory.borrow(target, size));
  return Errno.Success;
}

/** All vectors make one log line without its newline: descriptor 1 at info, 2 at error (S90). */
function fdWrite(vm: Vm, descriptor: number, vectors: number, count: number, written: number): number {
  if (!isOutput(descriptor)) return Errno.BadF;
  const { memory } = vm;
  if (!memory.fits(vectors, count * 8) || !memory.fits(written, 4)) return Errno.Fault;
  let text = '';
  let total = 0;
  for (let i = 0; i < count; i++) {
    const pointer = memory.view.getUint32(vectors + 8 * i, true);
    const size = memory.view.getUint32(vectors + 8 * i + 4, true);
    if (!memory.fits(pointer, size)) return Errno.Fault;
    text += memory.bytes.latin1Slice(pointer, pointer + size);
    total += size;
  }
  const level = descriptor === 1 ? GuestLogLevel.Info : GuestLogLevel.Error;
  if (total > 0 && vm.host.logEnabled(level)) {
    // Joined as bytes first: a vector may end in the middle of a character.
    const line = Buffer.from(text.endsWith('\n') ? text.slice(0, -1) : text, 'latin1').toString('utf8');
    vm.log(level, line);
  }
  memory.setUint32(written, total);
  return Errno.Success;
}

function fdstatGet(vm: Vm, descriptor: number, result: number): number {
  if (!isOutput(descriptor)) return Errno.BadF;
  if (!vm.memory.fits(result, 24)) return Errno.Fault;
  vm.memory.bytes.fill(0, result, result + 24);
  vm.memory.setUint64(result + 8, RIGHT_TO_WRITE);
  return Errno.Success;
}

function fdTell(vm: Vm, descriptor: number, result: number): number {
  if (!isOutput(descriptor)) return Errno.BadF;
  if (!vm.memory.fits(result, 8)) return Errno.Fault;
  vm.memory.setUint64(result, 0n);
  return Errno.Success;
}
