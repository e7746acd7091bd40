// proxy_call_foreign_function (ABI reference 3.9) and the two auxiliary imports of C++ toolchains.

import { Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const foreignCalls = (vm: Vm): HostFunctions => ({
  proxy_call_foreign_function: (
    name: number,
    nameSize: number,
    args: number,
    argsSize: number,
    pointer: number,
    size: number,
  ) =>
    callForeignFunction(
      vm,
      name >>> 0,
      nameSize >>> 0,
      args >>> 0,
      argsSize >>> 0,
      pointer >>> 0,
      size >>> 0,
    ),
  pthread_equal: (left: number, right: number) => (left === right ? 1 : 0),
  emscripten_notify_memory_growth: () => undefined,
});

function callForeignFunction(
  vm: Vm,
  name: number,
  nameSize: number,
  args: number,
  argsSize: number,
  pointer: number,
  size: number,
): Status {
  const { memory } = vm;
  if (!memory.fits(name, nameSize) || !memory.fits(args, argsSize)) return Status.InvalidMemoryAccess;
  const call = vm.host.foreignFunctions.get(memory.latin1(name, nameSize));
  if (call === undefined) return Status.NotFound;
  const { status, result } = call(memory.borrow(args, argsSize), vm.current);
  // Result pointer and size are written also after a failure, and either may be 0 to discard it.
  if ((pointer !== 0 && !memory.fits(pointer, 4)) || (size !== 0 && !memory.fits(size, 4))) {
    return Status.InvalidMemoryAccess;
  }
  let block = 0;
  const length = result === null ? 0 : result.length;
  if (length !== 0 && pointer !== 0) {
    block = vm.allocator.allocate(length);
    if (block === 0) return Status.InvalidMemoryAccess;
    memory.bytes.set(result as Uint8Array, block);
  }
  if (pointer !== 0) memory.setUint32(pointer, block);
  if (size !== 0) memory.setUint32(size, length);
  return status;
}
