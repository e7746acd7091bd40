// Reads what a WebAssembly binary declares: types, imports, exports, memories. Not a validator: V8 is that;
// this knows only as much as is needed to tell the operator what is wrong before V8 does. Pure functions.

import { ModuleError } from '../errors.ts';

/** Parameter and result types as letters: i = i32, I = i64, f = f32, F = f64, ? = anything else. "ii>i". */
export type FunctionType = string;

export interface ImportEntry {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternalKind;
  /** Type of a function import, otherwise ''. */
  readonly type: FunctionType;
  /** Limits of an imported memory in pages, or of a table in elements. */
  readonly minimum: number;
  readonly maximum: number | null;
}

export interface ExportEntry {
  readonly name: string;
  readonly kind: ExternalKind;
  readonly type: FunctionType;
}

export interface ModuleSections {
  readonly imports: readonly ImportEntry[];
  readonly exports: readonly ExportEntry[];
  /** Memories the module defines itself, in pages. */
  readonly memories: readonly { readonly minimum: number; readonly maximum: number | null }[];
  readonly customSections: readonly string[];
  /** True when the module has a wasm start section, which runs inside instantiation. */
  readonly hasStart: boolean;
}

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';
const KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];
const VALUE_LETTERS: Readonly<Record<number, string>> = { 127: 'i', 126: 'I', 125: 'f', 124: 'F' };
const SECTION = { Custom: 0, Type: 1, Import: 2, Function: 3, Memory: 5, Export: 7, Start: 8 } as const;

class Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) throw new ModuleError(`corrupted module: it ends early at byte ${this.at}`);
    return this.bytes[this.at++];
  }

  /** Unsigned LEB128 of up to 64 bits; 64-bit values lose precision, which matters to nobody here. */
  unsigned(): number {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
      if (shift > 2 ** 56) throw new ModuleError(`corrupted module: number too long at byte ${this.at}`);
    }
  }

  name(): string {
    const length = this.unsigned();
    const start = this.at;
    this.skip(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString('utf8');
  }

  skip(count: number): void {
    if (count > this.end - this.at)
      throw new ModuleError(`corrupted module: it ends early at byte ${this.end}`);
    this.at += count;
  }

  /** A value type; reference types with a heap type take more than one byte. */
  valueType(): string {
    const byte = this.byte();
    if (byte === 0x63 || byte === 0x64) this.unsigned();
    return VALUE_LETTERS[byte] ?? '?';
  }

  limits(): { minimum: number; maximum: number | null } {
    const flags = this.byte();
    const minimum = this.unsigned();
    return { minimum, maximum: (flags & 1) === 1 ? this.unsigned() : null };
  }
}

/** True when the bytes begin like a WebAssembly binary of version 1. */
export function isWasmBinary(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0].every((byte, i) => bytes[i] === byte);
}

/** Walks the sections. Throws ModuleError ("corrupted module: ...") where the binary is cut or garbled. */
export function readSections(bytes: Uint8Array): ModuleSections {
  const reader = new Reader(bytes, 8, bytes.length);
  const types: FunctionType[] = [];
  const functions: FunctionType[] = [];
  const imports: ImportEntry[] = [];
  const exports: ExportEntry[] = [];
  const memories: { minimum: number; maximum: number | null }[] = [];
  const customSections: string[] = [];
  let hasStart = false;
  while (reader.at < reader.end) {
    const id = reader.byte();
    const size = reader.unsigned();
    const start = reader.at;
    reader.skip(size);
    const section = new Reader(bytes, start, reader.at);
    if (id === SECTION.Custom) customSections.push(section.name());
    else if (id === SECTION.Type) readTypes(section, types);
    else if (id === SECTION.Import) readImports(section, types, imports, functions);
    else if (id === SECTION.Function) readFunctions(section, types, functions);
    else if (id === SECTION.Memory) readMemories(section, memories);
    else if (id === SECTION.Export) readExports(section, functions, exports);
    else if (id === SECTION.Start) hasStart = true;
  }
  return { imports, exports, memories, customSections, hasStart };
}

function readTypes(section: Reader, types: FunctionType[]): void {
  for (let n = section.unsigned(); n > 0; n--) {
    // Anything but a plain function type belongs to the GC proposal: such types are no ABI types, stop here.
    if (section.byte() !== 0x60) return;
    let text = '';
    for (let p = section.unsigned(); p > 0; p--) text += section.valueType();
    text += '>';
    for (let r = section.unsigned(); r > 0; r--) text += section.valueType();
    types.push(text);
  }
}

function readImports(
  section: Reader,
  types: readonly FunctionType[],
  imports: ImportEntry[],
  functions: FunctionType[],
): void {
  for (let n = section.unsigned(); n > 0; n--) {
    const module = section.name();
    const name = section.name();
    const kind = KINDS[section.byte()];
    let type = '';
    let limits: { minimum: number; maximum: number | null } = { minimum: 0, maximum: null };
    if (kind === 'function') functions.push((type = types[section.unsigned()] ?? '?>?'));
    else if (kind === 'table') {
      section.valueType();
      limits = section.limits();
    } else if (kind === 'memory') limits = section.limits();
    else if (kind === 'global') {
      section.valueType();
      section.byte();
    } else if (kind === 'tag') {
      section.byte();
      section.unsigned();
    } else throw new ModuleError(`corrupted module: import ${module}.${name} is of no known kind`);
    imports.push({ module, name, kind, type, ...limits });
  }
}

function readFunctions(section: Reader, types: readonly FunctionType[], functions: FunctionType[]): void {
  for (let n = section.unsigned(); n > 0; n--) functions.push(types[section.unsigned()] ?? '?>?');
}

function readMemories(section: Reader, memories: { minimum: number; maximum: number | null }[]): void {
  for (let n = section.unsigned(); n > 0; n--) memories.push(section.limits());
}

function readExports(section: Reader, functions: readonly FunctionType[], exports: ExportEntry[]): void {
  for (let n = section.unsigned(); n > 0; n--) {
    const name = section.name();
    const kind = KINDS[section.byte()];
    const index = section.unsigned();
    if (kind === undefined) throw new ModuleError(`corrupted module: export ${name} is of no known kind`);
    exports.push({ name, kind, type: kind === 'function' ? (functions[index] ?? '?>?') : '' });
  }
}
