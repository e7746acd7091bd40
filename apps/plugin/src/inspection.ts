// What a module says of itself, without running it.

import {
  AUXILIARY_CALLS,
  CALLBACKS,
  ENVOY_CALLS,
  HIGRESS_CALLS,
  HOST_CALLS,
  WASI_FUNCTIONS,
  WASI_MODULES,
} from '@dragoman/abi';
import { checkModule, ModuleLimitsError, PAGE_BYTES, rewriteModule } from '@dragoman/vm';

export interface Inspection {
  readonly sizeBytes: number;
  readonly abiVersion: string;
  /** "Go", "Rust rustc 1.96": what the module's producers or its own marks say. */
  readonly toolchain: string;
  readonly imports: readonly { readonly name: string; readonly type: string; readonly known: boolean }[];
  /** Callbacks of the ABI that it has, and everything else it exports as functions. */
  readonly callbacks: readonly string[];
  readonly otherExports: readonly string[];
  readonly initialMemoryBytes: number;
  /** Null when time and memory can be limited, else why not. */
  readonly unlimitedBecause: string | null;
}

const KNOWN_CALLS = new Set(
  [...HOST_CALLS, ...AUXILIARY_CALLS, ...ENVOY_CALLS, ...HIGRESS_CALLS].map(({ name }) => name),
);
const KNOWN_WASI = new Set(WASI_FUNCTIONS.map(({ name }) => name));
const CALLBACK_NAMES = new Set(CALLBACKS.map(({ name }) => name));

/** Throws ModuleError for bytes that are no plugin. */
export function inspect(bytes: Buffer): Inspection {
  const info = checkModule(bytes);
  const module = new WebAssembly.Module(bytes);
  const functions = Object.keys(info.functionExports);
  return {
    sizeBytes: bytes.length,
    abiVersion: info.abiVersion,
    toolchain: toolchainOf(module, info.imports),
    imports: info.imports.map(({ kind, module, name, type }) => ({
      name: `${module}.${name}`,
      type: kind === 'function' ? type : kind,
      known: kind !== 'function' || isKnown(module, name),
    })),
    callbacks: functions.filter(name => CALLBACK_NAMES.has(name)),
    otherExports: functions.filter(name => !CALLBACK_NAMES.has(name)),
    initialMemoryBytes: info.initialMemoryPages * PAGE_BYTES,
    unlimitedBecause: unlimitedBecause(bytes),
  };
}

function isKnown(module: string, name: string): boolean {
  return WASI_MODULES.includes(module) ? KNOWN_WASI.has(name) : module === 'env' && KNOWN_CALLS.has(name);
}

function unlimitedBecause(bytes: Buffer): string | null {
  try {
    rewriteModule(bytes);
    return null;
  } catch (error) {
    if (error instanceof ModuleLimitsError) return error.message;
    throw error;
  }
}

/** Which section or import gives a toolchain away that names no producers. */
function toolchainOf(module: WebAssembly.Module, imports: readonly { readonly name: string }[]): string {
  const [producers] = WebAssembly.Module.customSections(module, 'producers');
  const named = producers === undefined ? '' : producerNames(Buffer.from(producers));
  if (named !== '') return named;
  if (WebAssembly.Module.customSections(module, 'go:buildid').length > 0) return 'Go';
  if (imports.some(({ name }) => name === 'abort')) return 'AssemblyScript';
  return 'unknown (no producers section)';
}

/** A list of fields (language, processed-by, sdk), each a list of names with versions. */
function producerNames(section: Buffer): string {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = section[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const text = (): string => {
    const length = number();
    at += length;
    return section.toString('utf8', at - length, at);
  };
  const names: string[] = [];
  for (let fields = number(); fields > 0 && at < section.length; fields--) {
    text();
    for (let values = number(); values > 0 && at < section.length; values--)
      names.push(`${text()} ${text()}`.trim());
  }
  return names.join(', ');
}
