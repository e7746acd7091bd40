// Assembles small WebAssembly modules for tests: imports, functions of raw instructions, exports, memory, data. Knows the
// binary format, and nothing of what the modules are for. Imported from tests only.

/** One letter per parameter, an arrow, one letter or nothing for the result: i = i32, I = i64, f = f32, F = f64. */
export type TypeText = string;

const VALUE_TYPES: Readonly<Record<string, number>> = { i: 0x7f, I: 0x7e, f: 0x7d, F: 0x7c };

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  while (value >= 128) {
    bytes.push((value % 128) | 128);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return bytes;
}

/** Signed LEB128 of an i32. */
export function signedLeb(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const byte = value & 0x7f;
    value >>= 7;
    if ((value === 0 && (byte & 0x40) === 0) || (value === -1 && (byte & 0x40) !== 0))
      return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

/** Instructions as bytes, to be joined by spreading. */
export const op = {
  unreachable: [0x00],
  /** An endless loop: `loop br 0 end`. */
  forever: [0x03, 0x40, 0x0c, 0x00, 0x0b],
  drop: [0x1a],
  i32: (value: number) => [0x41, ...signedLeb(value | 0)],
  i64: (value: number) => [0x42, ...signedLeb(value | 0)],
  get: (local: number) => [0x20, ...leb(local)],
  call: (index: number) => [0x10, ...leb(index)],
  add: [0x6a],
  tee: (local: number) => [0x22, ...leb(local)],
  /** Opens a loop without result; `branchIf(0)` inside goes back to its start. */
  loop: [0x03, 0x40],
  branchIf: (depth: number) => [0x0d, ...leb(depth)],
  end: [0x0b],
  /** i32.load / i32.store with alignment 4. */
  load: [0x28, 0x02, 0x00],
  store: [0x36, 0x02, 0x00],
  memoryGrow: [0x40, 0x00],
} as const;

interface Limits {
  readonly minimum: number;
  readonly maximum?: number;
}

const text = (value: string): number[] => {
  const bytes = Buffer.from(value, 'utf8');
  return [...leb(bytes.length), ...bytes];
};
const vector = (items: readonly number[][]): number[] => [...leb(items.length), ...items.flat()];
const limits = ({ minimum, maximum }: Limits): number[] =>
  maximum === undefined ? [0, ...leb(minimum)] : [1, ...leb(minimum), ...leb(maximum)];

/** Collects the parts of one module. Imports must come before functions: they share one index space. */
export class ModuleBuilder {
  readonly #types: TypeText[] = [];
  readonly #imports: number[][] = [];
  readonly #functions: { type: number; body: readonly number[] }[] = [];
  readonly #exports: number[][] = [];
  readonly #data: number[][] = [];
  readonly #customs: number[][] = [];
  #importedFunctions = 0;
  #memory: Limits | null = null;
  #global = false;
  #start = -1;

  /** Index of the imported function. */
  importFunction(module: string, name: string, type: TypeText): number {
    this.#imports.push([...text(module), ...text(name), 0x00, ...leb(this.#type(type))]);
    return this.#importedFunctions++;
  }

  importMemory(module: string, name: string, size: Limits): void {
    this.#imports.push([...text(module), ...text(name), 0x02, ...limits(size)]);
  }

  importGlobal(module: string, name: string): void {
    this.#imports.push([...text(module), ...text(name), 0x03, 0x7f, 0x00]);
  }

  /** Adds a function without locals; its index. `body` without the closing `end`. */
  function(type: TypeText, body: readonly number[], exportName?: string): number {
    const index = this.#importedFunctions + this.#functions.length;
    this.#functions.push({ type: this.#type(type), body });
    if (exportName !== undefined) this.exportFunction(exportName, index);
    return index;
  }

  /** A function that passes its parameters on to another of the same type. */
  forwarder(type: TypeText, target: number, exportName: string): number {
    const parameters = type.indexOf('>');
    const body = Array.from({ length: parameters }, (_, i) => op.get(i)).flat();
    return this.function(type, [...body, ...op.call(target)], exportName);
  }

  exportFunction(name: string, index: number): void {
    this.#exports.push([...text(name), 0x00, ...leb(index)]);
  }

  /** Defines memory 0 and exports it as "memory". */
  memory(size: Limits): void {
    this.#memory = size;
    this.#exports.push([...text('memory'), 0x02, 0x00]);
  }

  /** Exports an i32 global of value 0. */
  exportGlobal(name: string): void {
    this.#global = true;
    this.#exports.push([...text(name), 0x03, 0x00]);
  }

  data(offset: number, bytes: Uint8Array | string): void {
    const content = Buffer.from(bytes as string, 'latin1');
    this.#data.push([0x00, ...op.i32(offset), 0x0b, ...leb(content.length), ...content]);
  }

  start(index: number): void {
    this.#start = index;
  }

  custom(name: string, content: Uint8Array): void {
    this.#customs.push([...text(name), ...content]);
  }

  build(): Buffer {
    const types = this.#types.map(type => {
      const [parameters, results] = type.split('>');
      const letters = (part: string) => vector([...part].map(letter => [VALUE_TYPES[letter]!]));
      return [0x60, ...letters(parameters!), ...letters(results!)];
    });
    const bodies = this.#functions.map(({ body }) => [...leb(body.length + 2), 0x00, ...body, 0x0b]);
    const sections = [
      section(1, vector(types)),
      section(2, vector(this.#imports)),
      section(3, vector(this.#functions.map(({ type }) => leb(type)))),
      this.#memory === null ? [] : section(5, vector([limits(this.#memory)])),
      this.#global ? section(6, vector([[0x7f, 0x00, ...op.i32(0), 0x0b]])) : [],
      section(7, vector(this.#exports)),
      this.#start < 0 ? [] : section(8, leb(this.#start)),
      section(10, vector(bodies)),
      this.#data.length === 0 ? [] : section(11, vector(this.#data)),
      ...this.#customs.map(content => section(0, content)),
    ];
    return Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
  }

  #type(type: TypeText): number {
    const known = this.#types.indexOf(type);
    return known !== -1 ? known : this.#types.push(type) - 1;
  }
}

const section = (id: number, content: readonly number[]): number[] => [
  id,
  ...leb(content.length),
  ...content,
];
