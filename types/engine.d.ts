// Types of the engine's WebAssembly interface, as far as it is used here (TypeScript keeps them in its browser library,
// which declares far too much for a server), and of the Buffer methods that Node documents only by their effect.

declare namespace WebAssembly {
  type ExportValue = unknown;
  type ImportValue = unknown;
  type Exports = Readonly<Record<string, ExportValue>>;
  type Imports = Record<string, Record<string, ImportValue>>;
  class Module {
    constructor(bytes: Uint8Array);
    readonly #brand: true;
    static exports(module: Module): { readonly name: string; readonly kind: string }[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }
  class Memory {
    /** The buffer of a shared memory is a SharedArrayBuffer, which views take in the same way. */
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Table {
    constructor(descriptor: { element: 'anyfunc'; initial: number; maximum?: number });
    readonly length: number;
    grow(elements: number): number;
  }
  class Global {
    value: number;
  }
  class Exception extends Error {}
  class RuntimeError extends Error {}
  class CompileError extends Error {}
  class LinkError extends Error {}
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
}

interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
}
