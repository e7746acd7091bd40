// A checked and compiled plugin: made once (by a proxy: on its main thread), posted to any thread, instantiated
// there as often as needed. Reading files and fetching is the caller's business.

import {
  ABI_MARKER_PREFIX,
  type AbiVersion,
  ALLOCATORS,
  CALLBACKS,
  detectAbiVersion,
  type FunctionSpec,
} from '@dragoman/abi';
import { ModuleError, ModuleLimitsError } from '../errors.ts';
import type { ModuleLimits } from '../limits/imposed-limits.ts';
import { rewriteModule } from '../limits/module-rewriter/module-rewriter.ts';
import { type ImportEntry, isWasmBinary, type ModuleSections, readSections } from './sections.ts';

/** What is known of a module without running it; plain data, structured-cloneable. */
export interface ModuleInfo {
  readonly abiVersion: AbiVersion;
  /** Type of every exported function, by name: "iii>i". */
  readonly functionExports: Readonly<Record<string, string>>;
  readonly imports: readonly ImportEntry[];
  readonly exportsMemory: boolean;
  /** Pages of 64 KiB the module wants at its start. */
  readonly initialMemoryPages: number;
  readonly codeBytes: number;
}

/** A compiled module with what the host knows of it. Both parts can be posted to worker threads. */
export interface PluginModule {
  readonly module: WebAssembly.Module;
  readonly info: ModuleInfo;
  /** Null when time and memory of its instances are not limited. */
  readonly limits: ModuleLimits | null;
}

export interface CheckOptions {
  /** Taken for a module without a version marker. Absent: such a module is refused. */
  readonly abiVersion?: AbiVersion;
  /** Compile it in a form whose instances can be stopped and whose memory can be capped. */
  readonly limited?: boolean;
}

const CALLBACK_TYPES = new Map<string, FunctionSpec>(CALLBACKS.map(spec => [spec.name, spec]));

/**
 * Checks that the bytes are a Proxy-Wasm plugin: a WebAssembly binary with a known version marker, an allocator, a
 * memory and callbacks of callable types. Throws ModuleError naming the fact.
 */
export function checkModule(bytes: Uint8Array, options: CheckOptions = {}): ModuleInfo {
  if (!isWasmBinary(bytes)) throw new ModuleError(`not a wasm file: ${describeStart(bytes)}`);
  const sections = readSections(bytes);
  const functionExports: Record<string, string> = {};
  for (const { name, kind, type } of sections.exports) if (kind === 'function') functionExports[name] = type;
  const abiVersion =
    detectAbiVersion(Object.keys(functionExports)) ?? options.abiVersion ?? missingVersion(sections);
  if (!ALLOCATORS.some(name => functionExports[name] !== undefined)) {
    throw new ModuleError(`the module exports neither ${ALLOCATORS.join(' nor ')}`);
  }
  const exportsMemory = sections.exports.some(({ kind }) => kind === 'memory');
  const importedMemory = sections.imports.find(({ kind }) => kind === 'memory');
  if (!exportsMemory && importedMemory === undefined) throw new ModuleError('the module exports no memory');
  checkImports(sections.imports);
  for (const [name, type] of Object.entries(functionExports)) checkCallback(name, type);
  return {
    abiVersion,
    functionExports,
    imports: sections.imports,
    exportsMemory,
    initialMemoryPages: (importedMemory ?? sections.memories[0])?.minimum ?? 0,
    codeBytes: bytes.length,
  };
}

/** Checks and compiles on V8's background threads. Throws ModuleError, and ModuleLimitsError for what cannot be limited. */
export async function compileModule(bytes: Uint8Array, options: CheckOptions = {}): Promise<PluginModule> {
  const form = prepareForm(bytes, options);
  try {
    return { module: await WebAssembly.compile(form.bytes), info: form.info, limits: form.limits };
  } catch (cause) {
    throw compileError(cause as Error, bytes, form);
  }
}

/** compileModule for callers that cannot wait. */
export function compileModuleSync(bytes: Uint8Array, options: CheckOptions = {}): PluginModule {
  const form = prepareForm(bytes, options);
  try {
    return { module: new WebAssembly.Module(form.bytes), info: form.info, limits: form.limits };
  } catch (cause) {
    throw compileError(cause as Error, bytes, form);
  }
}

/** What is compiled in the end. */
interface Form {
  readonly info: ModuleInfo;
  readonly bytes: Uint8Array;
  readonly limits: ModuleLimits | null;
}

function prepareForm(bytes: Uint8Array, options: CheckOptions): Form {
  const info = checkModule(bytes, options);
  if (!options.limited) return { info, bytes, limits: null };
  const rewritten = rewriteModule(bytes);
  return { info, bytes: rewritten.bytes, limits: { memories: rewritten.memories } };
}

function compileError(cause: Error, bytes: Uint8Array, form: Form): Error {
  // Functions near the engine's size limit can pass it by what is inserted.
  if (form.limits !== null && WebAssembly.validate(bytes))
    return new ModuleLimitsError(`the engine does not take it with checks: ${cause.message}`, 0);
  return new ModuleError(`corrupted module: ${cause.message}`, { cause });
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty';
  return `it begins with ${Buffer.from(bytes.subarray(0, 8)).toString('hex')}, not with 0061736d01000000`;
}

function missingVersion(sections: ModuleSections): never {
  const marker = sections.exports.find(({ name }) => name.startsWith(ABI_MARKER_PREFIX));
  if (marker === undefined) {
    throw new ModuleError(
      'missing or unknown Proxy-Wasm ABI version: the module exports no function proxy_abi_version_0_1_0, _0_2_0 or _0_2_1 (where it is known, give it as abi_version)',
    );
  }
  const fact =
    marker.kind === 'function' ? 'is of no version this host knows' : `is a ${marker.kind}, not a function`;
  throw new ModuleError(`missing or unknown Proxy-Wasm ABI version: the export ${marker.name} ${fact}`);
}

/** Functions can be answered by a stub, memories and tables are made; nothing stands in for the rest. */
function checkImports(imports: readonly ImportEntry[]): void {
  for (const { module, name, kind } of imports) {
    if (kind === 'global' || kind === 'tag')
      throw new ModuleError(`the module imports the ${kind} ${module}.${name}, which no host offers`);
  }
}

/** The host calls with i32 only and reads one i32 at most; the number of parameters may differ (S15). */
function checkCallback(name: string, type: string): void {
  const spec = CALLBACK_TYPES.get(name);
  const isAllocator = (ALLOCATORS as readonly string[]).includes(name);
  if (spec === undefined && !isAllocator) return;
  const expected = spec?.type ?? 'i>i';
  if (/^i*>i?$/.test(type) && (!isAllocator || type === expected)) return;
  throw new ModuleError(`the export ${name} is a function of type ${type}, expected ${expected}`);
}
