// Gives a module what it imports: host calls in `env`, WASI under both its names, a memory or table where it wants the
// host's. What no host offers, or the plugin may not use, becomes a stub (ABI reference 1.2, 3.10).

import {
  AUXILIARY_CALLS,
  ENVOY_CALLS,
  Errno,
  HIGRESS_CALLS,
  HOST_CALLS,
  Status,
  WASI_FUNCTIONS,
  WASI_MODULES,
} from '@dragoman/abi';
import { PluginStartError } from './errors.ts';
import { classifyFailure, MissingImportError } from './failure.ts';
import { bufferCalls } from './host/buffers.ts';
import { foreignCalls } from './host/foreign.ts';
import { grpcCalls } from './host/grpc-call.ts';
import { headerMapCalls } from './host/header-maps.ts';
import type { HostFunction, HostFunctions } from './host/host-function.ts';
import { httpCallCalls } from './host/http-call.ts';
import { loggingCalls } from './host/logging.ts';
import { metricCalls } from './host/metrics.ts';
import { propertyCalls } from './host/properties.ts';
import { redisCalls } from './host/redis-call.ts';
import { dnsCalls } from './host/resolve-dns.ts';
import { sharedStateCalls } from './host/shared-state.ts';
import { streamControlCalls } from './host/stream-control.ts';
import { wasiFunctions } from './host/wasi.ts';
import { DEFAULT_MEMORY_CAP_PAGES, limitImports, memoryCaps } from './limits/imposed-limits.ts';
import { GuestMemory } from './memory.ts';
import type { ImportEntry } from './module/sections.ts';
import { sanitizedCalls } from './sanitization/sanitized-calls.ts';
import type { Vm } from './vm.ts';
import { PREVIEW1, UNSTABLE } from './wasi/layout.ts';
import { VirtualDirectory } from './wasi/virtual-directory.ts';

/** Largest table, in elements, for a module that imports its table. */
const MAX_TABLE_ELEMENTS = 100_000;

export interface BoundImports {
  readonly object: WebAssembly.Imports;
  /** Gives the VM its memory: the one the module exports, or else the one made for its import. */
  attachMemory(exported: WebAssembly.Memory | undefined): void;
}

const ENV_TYPES = new Map(
  [...HOST_CALLS, ...AUXILIARY_CALLS, ...ENVOY_CALLS, ...HIGRESS_CALLS].map(({ name, type }) => [name, type]),
);
const WASI_TYPES = new Map(WASI_FUNCTIONS.map(({ name, type }) => [name, type]));

/** Binds everything the module imports to `vm`. Throws PluginStartError where nothing can stand in. */
export function bindImports(vm: Vm): BoundImports {
  const calls: Record<string, HostFunction> = {
    ...loggingCalls(vm),
    ...headerMapCalls(vm),
    ...bufferCalls(vm),
    ...propertyCalls(vm),
    ...streamControlCalls(vm),
    ...httpCallCalls(vm),
    ...grpcCalls(vm),
    ...sharedStateCalls(vm),
    ...metricCalls(vm),
    ...foreignCalls(vm),
    ...dnsCalls(vm),
    ...redisCalls(vm),
  };
  const env = vm.sanitizer === null ? calls : sanitizedCalls(vm, vm.sanitizer, calls);
  const wasi = bindWasi(vm);
  const object: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  let imported: WebAssembly.Memory | undefined;
  const caps = memoryCapsOf(vm);
  for (const entry of vm.info.imports) {
    object[entry.module] ??= {};
    if (entry.kind === 'memory')
      imported = object[entry.module][entry.name] = new WebAssembly.Memory({
        initial: entry.minimum,
        maximum: caps.shift()!,
      });
    else if (entry.kind === 'table') object[entry.module][entry.name] = makeTable(entry);
    else {
      const isWasi = WASI_MODULES.includes(entry.module);
      const known = isWasi
        ? wasi[entry.module]?.[entry.name]
        : entry.module === 'env'
          ? env[entry.name]
          : undefined;
      const bound = bindFunction(vm, entry, isWasi, known);
      const traced = vm.options.tracer?.hostCall(vm, entry.name, bound) ?? bound;
      object[entry.module][entry.name] = traced as WebAssembly.ImportValue;
    }
  }
  if (vm.limits !== null) {
    const { module, imports, memory } = limitImports(vm.limits, caps, vm.guard!);
    object[module] = imports;
    imported ??= memory;
  }
  // A start section runs before the exported memory is known: host calls find no byte of memory until then.
  vm.memory = new GuestMemory(imported ?? new WebAssembly.Memory({ initial: 0 }));
  return {
    object,
    attachMemory: exported => {
      const memory = exported ?? imported;
      if (memory !== undefined) vm.memory = new GuestMemory(memory);
    },
  };
}

/** WASI by module name; what the guest opens by one name is open by the other. */
function bindWasi(vm: Vm): Readonly<Record<string, HostFunctions>> {
  const { files } = vm.options;
  const directory = files === undefined || files.size === 0 ? null : new VirtualDirectory(files);
  return {
    wasi_snapshot_preview1: wasiFunctions(vm, PREVIEW1, directory),
    wasi_unstable: wasiFunctions(vm, UNSTABLE, directory),
  };
}

function bindFunction(
  vm: Vm,
  entry: ImportEntry,
  isWasi: boolean,
  known: HostFunction | undefined,
): HostFunction {
  if (known === undefined) {
    const extra = vm.options.imports?.get(`${entry.module}.${entry.name}`);
    if (extra !== undefined) return extra(vm);
    return missingImport(vm, entry, 'which this host does not offer');
  }
  const expected = (isWasi ? WASI_TYPES : ENV_TYPES).get(entry.name) ?? entry.type;
  if (!compatible(entry.type, expected)) {
    return missingImport(vm, entry, `imported as ${entry.type}, while the ABI has ${expected}`);
  }
  return restricted(vm, entry.name) ? restrictedImport(vm, entry.name, isWasi) : known;
}

/**
 * True when a function of the ABI can answer an import of type `actual`: parameters it names must be of its types, but
 * a guest may leave some out at the end or add some (AssemblyScript's gRPC declarations do).
 */
function compatible(actual: string, expected: string): boolean {
  const [actualParameters] = actual.split('>');
  const [expectedParameters] = expected.split('>');
  const shared = Math.min(actualParameters.length, expectedParameters.length);
  return (
    actualParameters.slice(0, shared) === expectedParameters.slice(0, shared) && /^[iI]*>i?$/.test(actual)
  );
}

function restricted(vm: Vm, name: string): boolean {
  const allowed = vm.options.allowedCapabilities;
  if (allowed === undefined || allowed.size === 0) return false;
  return !allowed.has(name) && !AUXILIARY_CALLS.some(spec => spec.name === name);
}

function restrictedImport(vm: Vm, name: string, isWasi: boolean): HostFunction {
  return () => {
    vm.logError(`Attempted call to restricted ${isWasi ? 'WASI' : 'proxy-wasm'} capability: ${name}`);
    return isWasi ? Errno.NotCapable : Status.InternalFailure;
  };
}

/** Traps with its name when it is called, so that a plugin that never calls it runs. */
function missingImport(vm: Vm, { module, name }: ImportEntry, why: string): HostFunction {
  if (vm.options.strictImports) {
    throw new PluginStartError(`the module imports ${module}.${name}, ${why}`);
  }
  return () => {
    const error = new MissingImportError(module, name, why);
    // Guest code can catch a host's exception: the VM is dead even if it does.
    if (vm.failure === null) vm.markFailed(classifyFailure(vm.runningPlugin, `${module}.${name}`, error));
    throw error;
  };
}

/** Of the memories that the module imports, in their order, then of those that rewriting makes imports of. */
function memoryCapsOf(vm: Vm): number[] {
  const imported = vm.info.imports.filter(({ kind }) => kind === 'memory');
  const imposed = (vm.limits?.memories ?? []).map(({ initialPages: minimum, maximumPages: maximum }) => ({
    minimum,
    maximum,
  }));
  return memoryCaps([...imported, ...imposed], vm.options.maxMemoryPages ?? DEFAULT_MEMORY_CAP_PAGES);
}

function makeTable({ minimum, maximum }: ImportEntry): WebAssembly.Table {
  return new WebAssembly.Table({
    element: 'anyfunc',
    initial: minimum,
    ...(maximum === null ? {} : { maximum: Math.min(maximum, MAX_TABLE_ELEMENTS) }),
  });
}
