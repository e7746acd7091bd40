// Shared data and shared queues (ABI reference 7.2, 7.3). The stores themselves are the embedder's.

import { Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const sharedStateCalls = (vm: Vm): HostFunctions => ({
  proxy_get_shared_data: (key: number, keySize: number, pointer: number, size: number, cas: number) =>
    getSharedData(vm, key >>> 0, keySize >>> 0, pointer >>> 0, size >>> 0, cas >>> 0),
  proxy_set_shared_data: (key: number, keySize: number, value: number, valueSize: number, cas: number) =>
    setSharedData(vm, key >>> 0, keySize >>> 0, value >>> 0, valueSize >>> 0, cas >>> 0),
  proxy_register_shared_queue: (name: number, nameSize: number, result: number) =>
    registerQueue(vm, name >>> 0, nameSize >>> 0, result >>> 0),
  proxy_resolve_shared_queue: (id: number, idSize: number, name: number, nameSize: number, result: number) =>
    resolveQueue(vm, id >>> 0, idSize >>> 0, name >>> 0, nameSize >>> 0, result >>> 0),
  proxy_enqueue_shared_queue: (token: number, item: number, size: number) =>
    enqueue(vm, token >>> 0, item >>> 0, size >>> 0),
  proxy_dequeue_shared_queue: (token: number, pointer: number, size: number) =>
    dequeue(vm, token >>> 0, pointer >>> 0, size >>> 0),
});

function getSharedData(
  vm: Vm,
  key: number,
  keySize: number,
  pointer: number,
  size: number,
  cas: number,
): Status {
  if (!vm.memory.fits(key, keySize)) return Status.InvalidMemoryAccess;
  const entry = vm.host.sharedData.get(vm.vmId, vm.memory.latin1(key, keySize));
  if (entry === null) return Status.NotFound;
  if (!vm.memory.fits(cas, 4)) return Status.InvalidMemoryAccess;
  const status = vm.allocator.giveBytes(entry.value, pointer, size);
  if (status === Status.Ok) vm.memory.setUint32(cas, entry.cas);
  return status;
}

function setSharedData(
  vm: Vm,
  key: number,
  keySize: number,
  value: number,
  valueSize: number,
  cas: number,
): Status {
  const { memory } = vm;
  if (!memory.fits(key, keySize) || !memory.fits(value, valueSize)) return Status.InvalidMemoryAccess;
  return vm.host.sharedData.set(vm.vmId, memory.latin1(key, keySize), memory.copy(value, valueSize), cas);
}

/** The last registrant is who hears of new items (S85); from a stream context that is its root. */
function registerQueue(vm: Vm, name: number, nameSize: number, result: number): Status {
  const { memory } = vm;
  if (!memory.fits(name, nameSize) || !memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  const { root } = vm.effective;
  if (root === null) return Status.InternalFailure;
  const queue = memory.latin1(name, nameSize);
  const token = vm.host.sharedQueues.register(vm.vmId, queue, token => {
    if (vm.failure === null) root.onQueueReady(token);
  });
  if (token === 0) return Status.InternalFailure;
  memory.setUint32(result, token);
  return Status.Ok;
}

function resolveQueue(
  vm: Vm,
  id: number,
  idSize: number,
  name: number,
  nameSize: number,
  result: number,
): Status {
  const { memory } = vm;
  if (!memory.fits(id, idSize) || !memory.fits(name, nameSize)) return Status.InvalidMemoryAccess;
  const vmId = idSize === 0 ? vm.vmId : memory.utf8(id, idSize);
  const token = vm.host.sharedQueues.resolve(vmId, memory.latin1(name, nameSize));
  if (token === 0) return Status.NotFound;
  if (!memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  memory.setUint32(result, token);
  return Status.Ok;
}

function enqueue(vm: Vm, token: number, item: number, size: number): Status {
  if (!vm.memory.fits(item, size)) return Status.InvalidMemoryAccess;
  return vm.host.sharedQueues.enqueue(token, vm.memory.copy(item, size));
}

function dequeue(vm: Vm, token: number, pointer: number, size: number): Status {
  // Checked first: an item taken out must reach the guest.
  if (!vm.memory.fits(pointer, 4) || !vm.memory.fits(size, 4)) return Status.InvalidMemoryAccess;
  const item = vm.host.sharedQueues.dequeue(token);
  if (item === undefined) return Status.NotFound;
  if (item === null) return Status.Empty;
  return vm.allocator.giveBytes(item, pointer, size);
}
