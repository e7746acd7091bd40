// Gives results to the guest: room from the guest's own allocator, bytes copied in, pointer and size stored where it
// wants them. The guest owns what it is given; the host never frees.

import { ALLOCATORS, Status } from '@dragoman/abi';
import type { Context } from './contexts/context.ts';
import type { Vm } from './vm.ts';

type Allocate = (size: number) => number;

/** The allocator of one instance. */
export class Allocator {
  readonly #vm: Vm;
  readonly #vmContext: Context;
  readonly #allocate: Allocate;
  #running = false;

  constructor(vm: Vm, exports: WebAssembly.Exports) {
    const name = ALLOCATORS.find(name => vm.info.functionExports[name] !== undefined)!;
    this.#vm = vm;
    this.#vmContext = vm.current;
    this.#allocate = exports[name] as Allocate;
  }

  /**
   * A checked block of exactly `size` > 0 bytes, or 0 when the guest has none to give. A trap inside the allocator ends
   * the whole callback. While it runs, host calls act on the VM's own context, and none of them can allocate.
   */
  allocate(size: number): number {
    if (this.#running) return 0;
    const vm = this.#vm;
    const { current, effective } = vm;
    vm.current = vm.effective = this.#vmContext;
    this.#running = true;
    let pointer: number;
    try {
      pointer = this.#allocate(size) >>> 0;
    } finally {
      this.#running = false;
    }
    vm.current = current;
    vm.effective = effective;
    return pointer !== 0 && vm.memory.fits(pointer, size) ? pointer : 0;
  }

  /** Hands over a latin1 text. Empty data is pointer 0 and size 0, without an allocation (S30). */
  giveText(text: string, resultPointer: number, resultSize: number): Status {
    const memory = this.#vm.memory;
    if (!memory.fits(resultPointer, 4) || !memory.fits(resultSize, 4)) return Status.InvalidMemoryAccess;
    const size = text.length;
    let pointer = 0;
    if (size !== 0) {
      pointer = this.allocate(size);
      if (pointer === 0) return Status.InvalidMemoryAccess;
      memory.writeLatin1(pointer, text);
    }
    memory.setUint32(resultPointer, pointer);
    memory.setUint32(resultSize, size);
    return Status.Ok;
  }

  /** Hands over bytes. */
  giveBytes(bytes: Uint8Array, resultPointer: number, resultSize: number): Status {
    const memory = this.#vm.memory;
    if (!memory.fits(resultPointer, 4) || !memory.fits(resultSize, 4)) return Status.InvalidMemoryAccess;
    const size = bytes.length;
    let pointer = 0;
    if (size !== 0) {
      pointer = this.allocate(size);
      if (pointer === 0) return Status.InvalidMemoryAccess;
      memory.bytes.set(bytes, pointer);
    }
    memory.setUint32(resultPointer, pointer);
    memory.setUint32(resultSize, size);
    return Status.Ok;
  }
}
