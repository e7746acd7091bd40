// A guest whose strings are pulled by the test: its exports ask the test what to do, and the test makes host calls through
// it. Every call crosses the WebAssembly boundary twice, as a real plugin's does. Imported from tests only.

import { ModuleBuilder } from './module-builder.ts';

export interface PuppetFunction {
  readonly name: string;
  readonly type: string;
}

export interface PuppetOptions {
  /** Marker exports, in order; ["proxy_abi_version_0_2_1"] by default. */
  readonly markers?: readonly string[];
  /** Functions of module `env` that can be called. */
  readonly hostCalls: readonly PuppetFunction[];
  /** Functions of WASI that can be called. */
  readonly wasi?: readonly PuppetFunction[];
  readonly wasiModule?: string;
  /** Exports: each of them asks the test. */
  readonly callbacks: readonly PuppetFunction[];
  /** Names under which the allocator is exported. */
  readonly allocators?: readonly string[];
}

/** What a puppet needs of a running instance. */
export interface PuppetInstance {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly memory: { readonly bytes: Buffer };
}

type AnyFunction = (...args: never[]) => unknown;
type Callable = (...args: (number | bigint)[]) => number;

/** Module name of the imports that a puppet asks the test through. */
export const PUPPET_MODULE = 'puppet';
/** Where strings that are passed to host calls are put; below are four result slots. */
const SCRATCH_START = 1024;
const SCRATCH_END = 32 * 1024;
const HEAP_START = 64 * 1024;

export class Puppet {
  readonly bytes: Buffer;
  /** What the guest does when an export is called; an export without an entry answers 0. */
  readonly on: Record<string, (...args: number[]) => number | undefined> = {
    proxy_on_vm_start: () => 1,
    proxy_on_configure: () => 1,
    proxy_on_done: () => 1,
  };
  /** Exports that were called, with their arguments: "proxy_on_log(2)". */
  readonly trace: string[] = [];
  /** Sizes asked of the allocator, and what it is to answer instead of a block (null: a block). */
  readonly allocations: number[] = [];
  allocatorAnswer: (() => number) | null = null;
  /** Imports for the host to bind: functions by "puppet.<name>", made for an instance. */
  readonly imports: ReadonlyMap<string, (instance: PuppetInstance) => AnyFunction>;
  #instance: PuppetInstance | null = null;
  #scratch = SCRATCH_START;
  #heap = HEAP_START;

  constructor(options: PuppetOptions) {
    const imports = new Map<string, (instance: PuppetInstance) => AnyFunction>();
    const module = new ModuleBuilder();
    const calls = [
      ...options.hostCalls.map(spec => ({
        ...spec,
        index: module.importFunction('env', spec.name, spec.type),
      })),
      ...(options.wasi ?? []).map(spec => ({
        ...spec,
        index: module.importFunction(options.wasiModule ?? 'wasi_snapshot_preview1', spec.name, spec.type),
      })),
    ];
    const asked = options.callbacks.map(spec => ({
      ...spec,
      index: module.importFunction(PUPPET_MODULE, spec.name, spec.type),
    }));
    const allocate = module.importFunction(PUPPET_MODULE, 'allocate', 'i>i');
    for (const { name } of asked) imports.set(`${PUPPET_MODULE}.${name}`, this.#bind(name));
    imports.set(`${PUPPET_MODULE}.allocate`, this.#bindAllocator());
    for (const marker of options.markers ?? ['proxy_abi_version_0_2_1']) module.function('>', [], marker);
    for (const { name, type, index } of calls) module.forwarder(type, index, `call_${name}`);
    for (const { name, type, index } of asked) module.forwarder(type, index, name);
    for (const name of options.allocators ?? ['malloc']) module.forwarder('i>i', allocate, name);
    module.memory({ minimum: 4 });
    this.imports = imports;
    this.bytes = module.build();
  }

  /** Makes the guest call a host function. Texts become pointer and length; ANSWER slots are numbers from slot(). */
  call(name: string, ...args: (number | bigint | string | Buffer)[]): number {
    const flat: (number | bigint)[] = [];
    for (const arg of args) {
      if (typeof arg === 'string' || Buffer.isBuffer(arg)) flat.push(...this.put(arg));
      else flat.push(arg);
    }
    const result = (this.#running.exports[`call_${name}`] as Callable)(...flat);
    this.#scratch = SCRATCH_START;
    return result;
  }

  /** Calls with two result slots at the end and answers what the guest finds there. */
  ask(name: string, ...args: (number | bigint | string | Buffer)[]): { status: number; text: string | null } {
    this.clearSlots();
    const status = this.call(name, ...args, this.slot(0), this.slot(1));
    return { status, text: status === 0 ? this.text() : null };
  }

  /** Puts bytes into guest memory; pointer and length. */
  put(value: string | Buffer): [number, number] {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    if (this.#scratch + bytes.length > SCRATCH_END) throw new RangeError('too much for the scratch memory');
    const pointer = this.#scratch;
    bytes.copy(this.memory, pointer);
    this.#scratch += bytes.length;
    return [pointer, bytes.length];
  }

  /** Address of a result slot: 0 to 7, eight bytes each. */
  slot(index: number): number {
    return 16 + 8 * index;
  }

  clearSlots(): void {
    this.memory.fill(0xee, 16, 16 + 64);
  }

  u32(index: number): number {
    return this.memory.readUInt32LE(this.slot(index));
  }

  u64(index: number): bigint {
    return this.memory.readBigUInt64LE(this.slot(index));
  }

  /** The bytes that slots 0 (pointer) and 1 (length) describe, one char per byte. */
  text(): string {
    return this.memory.latin1Slice(this.u32(0), this.u32(0) + this.u32(1));
  }

  get memory(): Buffer {
    return this.#running.memory.bytes;
  }

  get #running(): PuppetInstance {
    if (this.#instance === null) throw new Error('the puppet has not been instantiated');
    return this.#instance;
  }

  #bind(name: string): (instance: PuppetInstance) => AnyFunction {
    return instance => {
      this.#instance = instance;
      return (...args: number[]) => {
        this.trace.push(`${name}(${args.join(', ')})`);
        return this.on[name]?.(...args) ?? 0;
      };
    };
  }

  #bindAllocator(): (instance: PuppetInstance) => AnyFunction {
    return instance => {
      this.#instance = instance;
      return (size: number) => {
        this.allocations.push(size);
        if (this.allocatorAnswer !== null) return this.allocatorAnswer();
        const pointer = this.#heap;
        this.#heap += (size + 7) & ~7;
        return pointer;
      };
    };
  }
}
