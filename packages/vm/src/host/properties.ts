// proxy_get_property and proxy_set_property. The plugin's own names are answered here; all other paths by the
// embedder, with or without a stream (ABI reference 8).

import { parsePropertyPath, Status } from '@dragoman/abi';
import { descend, encodeProperty, type PropertyValue } from '../property-value.ts';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const propertyCalls = (vm: Vm): HostFunctions => {
  const paths = new PathCache();
  return {
    proxy_get_property: (path: number, pathSize: number, pointer: number, size: number) =>
      getProperty(vm, paths, path >>> 0, pathSize >>> 0, pointer >>> 0, size >>> 0),
    proxy_set_property: (path: number, pathSize: number, value: number, valueSize: number) =>
      setProperty(vm, path >>> 0, pathSize >>> 0, value >>> 0, valueSize >>> 0),
  };
};

/** Plugins ask for the same few paths on every request: they are taken apart once. */
class PathCache {
  readonly #parts = new Map<string, readonly string[]>();

  parse(path: string): readonly string[] {
    let parts = this.#parts.get(path);
    if (parts === undefined) {
      parts = parsePropertyPath(path);
      if (this.#parts.size < MAX_CACHED_PATHS) this.#parts.set(path, parts);
    }
    return parts;
  }
}

const MAX_CACHED_PATHS = 256;

function getProperty(
  vm: Vm,
  paths: PathCache,
  path: number,
  pathSize: number,
  pointer: number,
  size: number,
): Status {
  const { memory } = vm;
  if (!memory.fits(path, pathSize)) return Status.InvalidMemoryAccess;
  const parts = paths.parse(memory.latin1(path, pathSize));
  if (parts.length === 0) return Status.SerializationFailure;
  const value = lookUp(vm, parts);
  if (value === undefined) return Status.NotFound;
  const bytes = encodeProperty(value);
  if (bytes === null) return Status.SerializationFailure;
  return vm.allocator.giveBytes(bytes, pointer, size);
}

function lookUp(vm: Vm, path: readonly string[]): PropertyValue {
  const { root, stream } = vm.effective;
  const own = ownProperty(vm, path[0]);
  if (own !== undefined) return descend(own, path, 1);
  if (stream !== null) return stream.host === null ? undefined : stream.host.getProperty(path);
  return vm.host.getProperty(root, path);
}

function ownProperty(vm: Vm, name: string): PropertyValue {
  const { root } = vm.effective;
  if (root === null) return undefined;
  if (name === 'plugin_name') return root.nameBytes;
  if (name === 'plugin_root_id') return root.rootIdBytes;
  return name === 'plugin_vm_id' ? root.vmIdBytes : undefined;
}

function setProperty(vm: Vm, path: number, pathSize: number, value: number, valueSize: number): Status {
  const { memory } = vm;
  if (!memory.fits(path, pathSize) || !memory.fits(value, valueSize)) return Status.InvalidMemoryAccess;
  const { stream } = vm.effective;
  if (stream === null || stream.host === null) return Status.NotFound;
  return stream.host.setProperty(memory.latin1(path, pathSize), memory.copy(value, valueSize));
}
