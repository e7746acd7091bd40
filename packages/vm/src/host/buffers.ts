// Bodies and other byte buffers: proxy_get_buffer_bytes, proxy_set_buffer_bytes, proxy_get_buffer_status, and
// proxy_get_configuration of ABI 0.1.0 (ABI reference 4.1 to 4.3).

import { BufferType, MAX_BUFFER_TYPE, Status } from '@dragoman/abi';
import type { GuestBody } from '../stream-host.ts';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const bufferCalls = (vm: Vm): HostFunctions => ({
  proxy_get_buffer_bytes: (type: number, start: number, max: number, pointer: number, size: number) =>
    getBytes(vm, type, start >>> 0, max >>> 0, pointer >>> 0, size >>> 0),
  proxy_get_buffer_status: (type: number, length: number, flags: number) =>
    getBufferStatus(vm, type, length >>> 0, flags >>> 0),
  proxy_set_buffer_bytes: (type: number, start: number, length: number, data: number, size: number) =>
    setBytes(vm, type, start >>> 0, length >>> 0, data >>> 0, size >>> 0),
  proxy_get_configuration: (pointer: number, size: number) => getConfiguration(vm, pointer >>> 0, size >>> 0),
});

const EMPTY: Uint8Array = new Uint8Array(0);

/** Types of the ABI; Higress's only while there is one. */
const isBuffer = (vm: Vm, type: number): boolean =>
  (type >= 0 && type <= MAX_BUFFER_TYPE) ||
  (type === BufferType.RedisCallResponse && (vm.effective.root?.redisReply ?? null) !== null);

/** A body of the stream if it can be reached now. */
function streamBody(vm: Vm, type: number): GuestBody | null {
  const { stream } = vm.effective;
  if (stream === null) return null;
  if (type === BufferType.HttpRequestBody) return stream.requestBody;
  if (type === BufferType.HttpResponseBody) return stream.responseBody;
  return type === BufferType.DownstreamData ? stream.downstreamData : stream.upstreamData;
}

/** Buffers nobody can change. Null: not there now. */
function constantBytes(vm: Vm, type: number): Uint8Array | null {
  const { root } = vm.effective;
  switch (type) {
    case BufferType.HttpCallResponseBody:
      return root === null ? null : root.callBody;
    case BufferType.GrpcCallMessage:
      return root?.grpcMessage ?? EMPTY;
    case BufferType.VmConfiguration:
      return vm.vmConfiguration;
    case BufferType.PluginConfiguration:
      return root?.configurationReadable ? root.options.configuration : null;
    case BufferType.ForeignFunctionArguments:
      return root?.statsUpdate ?? root?.dnsAnswer ?? EMPTY;
    case BufferType.RedisCallResponse:
      return root?.redisReply ?? null;
    default:
      return EMPTY;
  }
}

function getBytes(vm: Vm, type: number, start: number, max: number, pointer: number, size: number): Status {
  if (!isBuffer(vm, type)) return Status.BadArgument;
  if (type <= BufferType.UpstreamData) {
    const body = streamBody(vm, type);
    const length = body === null ? 0 : body.length;
    const from = Math.min(start, length);
    const bytes = body === null ? EMPTY : body.read(from, Math.min(max, length - from));
    return vm.allocator.giveBytes(bytes, pointer, size);
  }
  const bytes = constantBytes(vm, type);
  if (bytes === null) return Status.NotFound;
  const from = Math.min(start, bytes.length);
  return vm.allocator.giveBytes(bytes.subarray(from, Math.min(from + max, bytes.length)), pointer, size);
}

function getBufferStatus(vm: Vm, type: number, length: number, flags: number): Status {
  if (!isBuffer(vm, type)) return Status.BadArgument;
  let bytes: number;
  if (type <= BufferType.UpstreamData) bytes = streamBody(vm, type)?.length ?? 0;
  else {
    const constant = constantBytes(vm, type);
    if (constant === null) return Status.NotFound;
    bytes = constant.length;
  }
  if (!vm.memory.fits(length, 4) || !vm.memory.fits(flags, 4)) return Status.InvalidMemoryAccess;
  vm.memory.setUint32(length, bytes);
  vm.memory.setUint32(flags, 0);
  return Status.Ok;
}

/** Prepends, replaces from the start, or appends; nothing goes into the middle (ABI reference 4.2). */
function setBytes(vm: Vm, type: number, start: number, length: number, data: number, size: number): Status {
  if (!isBuffer(vm, type)) return Status.BadArgument;
  if (type > BufferType.UpstreamData && constantBytes(vm, type) === null) return Status.NotFound;
  if (!vm.memory.fits(data, size)) return Status.InvalidMemoryAccess;
  const body = type <= BufferType.UpstreamData ? streamBody(vm, type) : null;
  if (body === null) return Status.BadArgument;
  const bodyLength = body.length;
  if (start > 0 && start < bodyLength) return Status.BadArgument;
  const bytes = vm.memory.copy(data, size);
  if (start === 0) body.splice(0, Math.min(length, bodyLength), bytes);
  else body.splice(bodyLength, 0, bytes);
  if (vm.effective.stream !== null) vm.effective.stream.mutated = true;
  return Status.Ok;
}

/** ABI 0.1.0: the plugin's configuration while it is created and configured, the VM's otherwise. */
function getConfiguration(vm: Vm, pointer: number, size: number): Status {
  const { root } = vm.effective;
  const bytes = root?.configurationReadable ? root.options.configuration : vm.vmConfiguration;
  return vm.allocator.giveBytes(bytes, pointer, size);
}
