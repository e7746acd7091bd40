// The seven calls on header and trailer maps (ABI reference 3.2 to 3.5). Which map can be reached when is kept by the
// contexts; here is who may write and what each lack is answered with.

import { decodePairs, MAX_MAP_TYPE, MapType, pairsSize, Status, writePairs } from '@dragoman/abi';
import type { StreamContext } from '../contexts/stream-context.ts';
import type { GuestHeaderMap } from '../stream-host.ts';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const headerMapCalls = (vm: Vm): HostFunctions => {
  const collector = new PairCollector();
  return {
    proxy_get_header_map_size: (map: number, result: number) => getSize(vm, collector, map, result >>> 0),
    proxy_get_header_map_pairs: (map: number, pointer: number, size: number) =>
      getPairs(vm, collector, map, pointer >>> 0, size >>> 0),
    proxy_set_header_map_pairs: (map: number, pairs: number, size: number) =>
      setPairs(vm, map, pairs >>> 0, size >>> 0),
    proxy_get_header_map_value: (map: number, key: number, keySize: number, pointer: number, size: number) =>
      getValue(vm, map, key >>> 0, keySize >>> 0, pointer >>> 0, size >>> 0),
    proxy_add_header_map_value: (
      map: number,
      key: number,
      keySize: number,
      value: number,
      valueSize: number,
    ) => addValue(vm, map, key >>> 0, keySize >>> 0, value >>> 0, valueSize >>> 0),
    proxy_replace_header_map_value: (
      map: number,
      key: number,
      keySize: number,
      value: number,
      valueSize: number,
    ) => replaceValue(vm, map, key >>> 0, keySize >>> 0, value >>> 0, valueSize >>> 0),
    proxy_remove_header_map_value: (map: number, key: number, keySize: number) =>
      removeValue(vm, map, key >>> 0, keySize >>> 0),
  };
};

/** Collects a map's entries without a closure per call. */
class PairCollector {
  readonly pairs: string[] = [];
  readonly visit = (name: string, value: string): void => {
    this.pairs.push(name, value);
  };

  collect(map: GuestHeaderMap): string[] {
    this.pairs.length = 0;
    map.forEach(this.visit);
    return this.pairs;
  }
}

/** The map if it may be read now. Rules of the plugin are about the stream's own maps, not those of its call-outs. */
function readableMap(vm: Vm, map: number): GuestHeaderMap | null {
  const headers = mapInReach(vm, map);
  if (vm.sanitizer === null || headers === null || map > MapType.HttpResponseTrailers) return headers;
  return vm.sanitizer.headers(headers);
}

function mapInReach(vm: Vm, map: number): GuestHeaderMap | null {
  const { root, stream } = vm.effective;
  switch (map) {
    case MapType.HttpRequestHeaders:
      return stream === null ? null : stream.requestHeaders;
    case MapType.HttpRequestTrailers:
      return stream === null ? null : stream.requestTrailers;
    case MapType.HttpResponseHeaders:
      return stream === null ? null : stream.responseHeaders;
    case MapType.HttpResponseTrailers:
      return stream === null ? null : stream.responseTrailers;
    case MapType.GrpcCallInitialMetadata:
      return root === null ? null : root.grpcInitialMetadata;
    case MapType.GrpcCallTrailingMetadata:
      return root === null ? null : root.grpcTrailingMetadata;
    case MapType.HttpCallResponseHeaders:
      return root === null ? null : root.callHeaders;
    default:
      return root === null ? null : root.callTrailers;
  }
}

/** The map if it may be changed now. */
function writableMap(vm: Vm, map: number): GuestHeaderMap | null {
  const headers = changeableMap(vm, map);
  return vm.sanitizer === null || headers === null ? headers : vm.sanitizer.headers(headers);
}

/** Makes trailers where they can still be made (S50). */
function changeableMap(vm: Vm, map: number): GuestHeaderMap | null {
  const { stream } = vm.effective;
  if (stream === null || stream.logging) return null;
  switch (map) {
    case MapType.HttpRequestHeaders:
      return stream.requestHeaders;
    case MapType.HttpResponseHeaders:
      return stream.responseHeaders;
    case MapType.HttpRequestTrailers:
      if (stream.requestTrailers === null && stream.requestTrailersCreatable && stream.host !== null) {
        stream.requestTrailers = stream.host.createRequestTrailers();
      }
      return stream.requestTrailers;
    case MapType.HttpResponseTrailers:
      if (stream.responseTrailers === null && stream.responseTrailersCreatable && stream.host !== null) {
        stream.responseTrailers = stream.host.createResponseTrailers();
      }
      return stream.responseTrailers;
    default:
      return null;
  }
}

/** Envoy looks the route up again once a plugin of ABI 0.2.1 or before has changed request headers (S52). */
function noteChange(stream: StreamContext | null, map: number): void {
  if (stream === null) return;
  stream.mutated = true;
  if (map === MapType.HttpRequestHeaders && stream.host !== null) stream.host.clearRouteCache();
}

const badMap = (map: number): boolean => map < 0 || map > MAX_MAP_TYPE;

function getValue(vm: Vm, map: number, key: number, keySize: number, pointer: number, size: number): Status {
  if (badMap(map)) return Status.BadArgument;
  const { memory } = vm;
  if (!memory.fits(key, keySize)) return Status.InvalidMemoryAccess;
  const headers = readableMap(vm, map);
  let value: string | undefined;
  if (headers !== null) value = headers.get(memory.headerName(key, keySize));
  else if (vm.effective.stream === null || !vm.effective.stream.logging) return Status.BadArgument;
  // ABI 0.1.0 has no "not found": the value is empty (S40).
  if (value === undefined)
    return vm.abiVersion === '0.1.0' ? vm.allocator.giveText('', pointer, size) : Status.NotFound;
  return vm.allocator.giveText(value, pointer, size);
}

function addValue(
  vm: Vm,
  map: number,
  key: number,
  keySize: number,
  value: number,
  valueSize: number,
): Status {
  if (badMap(map)) return Status.BadArgument;
  const { memory } = vm;
  if (!memory.fits(key, keySize) || !memory.fits(value, valueSize)) return Status.InvalidMemoryAccess;
  const headers = writableMap(vm, map);
  if (headers === null) return Status.BadArgument;
  if (!headers.add(memory.headerName(key, keySize), memory.latin1(value, valueSize)))
    return Status.BadArgument;
  noteChange(vm.effective.stream, map);
  return Status.Ok;
}

function replaceValue(
  vm: Vm,
  map: number,
  key: number,
  keySize: number,
  value: number,
  valueSize: number,
): Status {
  if (badMap(map)) return Status.BadArgument;
  const { memory } = vm;
  if (!memory.fits(key, keySize) || !memory.fits(value, valueSize)) return Status.InvalidMemoryAccess;
  const headers = writableMap(vm, map);
  if (headers === null) return Status.BadArgument;
  if (!headers.set(memory.headerName(key, keySize), memory.latin1(value, valueSize)))
    return Status.BadArgument;
  noteChange(vm.effective.stream, map);
  return Status.Ok;
}

function removeValue(vm: Vm, map: number, key: number, keySize: number): Status {
  if (badMap(map)) return Status.BadArgument;
  if (!vm.memory.fits(key, keySize)) return Status.InvalidMemoryAccess;
  const headers = writableMap(vm, map);
  if (headers === null) return Status.BadArgument;
  headers.remove(vm.memory.headerName(key, keySize));
  noteChange(vm.effective.stream, map);
  return Status.Ok;
}

/** Bytes of all names and values, as Envoy counts; not the size on the wire. */
function getSize(vm: Vm, collector: PairCollector, map: number, result: number): Status {
  if (badMap(map)) return Status.BadArgument;
  const headers = writableMap(vm, map);
  if (headers === null) return Status.BadArgument;
  if (!vm.memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  let size = 0;
  for (const part of collector.collect(headers)) size += part.length;
  vm.memory.setUint32(result, size);
  return Status.Ok;
}

function getPairs(vm: Vm, collector: PairCollector, map: number, pointer: number, size: number): Status {
  if (badMap(map)) return Status.BadArgument;
  const { allocator, memory } = vm;
  if (!memory.fits(pointer, 4) || !memory.fits(size, 4)) return Status.InvalidMemoryAccess;
  const headers = readableMap(vm, map);
  // A map out of reach reads as empty here, unlike in get_value (ABI reference 3.3).
  const pairs = headers === null ? [] : collector.collect(headers);
  const bytes = pairsSize(pairs);
  let target = 0;
  if (bytes !== 0) {
    target = allocator.allocate(bytes);
    if (target === 0) return Status.InvalidMemoryAccess;
    writePairs(pairs, memory.bytes, target);
  }
  memory.setUint32(pointer, target);
  memory.setUint32(size, bytes);
  return Status.Ok;
}

/** Replaces the whole map; bytes that are no pairs empty it, and that is OK (S37). */
function setPairs(vm: Vm, map: number, pairs: number, size: number): Status {
  if (badMap(map)) return Status.BadArgument;
  if (!vm.memory.fits(pairs, size)) return Status.InvalidMemoryAccess;
  const headers = writableMap(vm, map);
  if (headers === null) return Status.BadArgument;
  const entries = decodePairs(vm.memory.borrow(pairs, size)) ?? [];
  headers.clear();
  let status: Status = Status.Ok;
  for (let i = 0; i < entries.length; i += 2) {
    const name = entries[i].toLowerCase();
    // A plugin that writes back what it has read names framing headers, which are the codec's own.
    if (name === 'transfer-encoding') continue;
    const accepted = name.startsWith(':')
      ? headers.set(name, entries[i + 1])
      : headers.add(name, entries[i + 1]);
    if (!accepted) status = Status.BadArgument;
  }
  noteChange(vm.effective.stream, map);
  return status;
}
