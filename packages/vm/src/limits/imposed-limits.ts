// What a VM needs to run a rewritten module: its memories, made with the host's maximum, and how long each kind of call
// may take. Runs wherever a module is instantiated.

import { PluginStartError } from '../errors.ts';
import type { FailureCause } from '../vm-host.ts';
import type { Guard } from './guard.ts';
import { type ImposedMemory, LIMITS_MODULE } from './module-rewriter/declarations.ts';
import { KILL_WORD_IMPORT } from './module-rewriter/inserted-code.ts';

/** What rewriting has made of a module, for those who instantiate it; plain data. */
export interface ModuleLimits {
  readonly memories: readonly ImposedMemory[];
}

/** How long a call into a guest may take, in whole milliseconds; 0: as long as it likes. */
export interface Deadlines {
  /** Callbacks on the way of a request, call-out responses among them. */
  readonly requestMs: number;
  /** Instantiation, start functions, creation of a root context, on_vm_start. */
  readonly startMs: number;
  readonly configureMs: number;
  /** on_tick and on_queue_ready: nobody waits for them, but the worker's requests wait behind them. */
  readonly tickMs: number;
}

export const DEFAULT_DEADLINES: Deadlines = {
  requestMs: 50,
  startMs: 5000,
  configureMs: 5000,
  tickMs: 200,
};
/** 128 MiB: ten times what a plugin of the largest toolchain (Go) starts with. */
export const DEFAULT_MEMORY_CAP_PAGES = 2048;
/** Of a WebAssembly page. */
export const PAGE_BYTES = 65_536;

const START_CALLBACKS: ReadonlySet<string> = new Set(['proxy_on_context_create', 'proxy_on_vm_start']);
const TICK_CALLBACKS: ReadonlySet<string> = new Set([
  'envoy_on_stats_update',
  'proxy_on_tick',
  'proxy_on_queue_ready',
]);

/** The deadline of a callback of a root context. */
export function deadlineOf(callback: string, deadlines: Deadlines): number {
  if (TICK_CALLBACKS.has(callback)) return deadlines.tickMs;
  if (callback === 'proxy_on_configure') return deadlines.configureMs;
  return START_CALLBACKS.has(callback) ? deadlines.startMs : deadlines.requestMs;
}

interface MemoryRange {
  readonly minimum: number;
  readonly maximum: number | null;
}

/**
 * The largest size in pages for each of a module's memories, so that together they stay within `capPages`: one memory has
 * it all, of several each gets the same room to grow. Throws PluginStartError when they start above it.
 */
export function memoryCaps(memories: readonly MemoryRange[], capPages: number): number[] {
  const initial = memories.reduce((sum, { minimum }) => sum + minimum, 0);
  if (initial > capPages) {
    throw new PluginStartError(
      `the module's memory starts at ${initial} pages of 64 KiB, the limit is ${capPages} (${mebibytes(initial)}, ${mebibytes(capPages)})`,
    );
  }
  const room = Math.floor((capPages - initial) / Math.max(1, memories.length));
  return memories.map(({ minimum, maximum }) => Math.min(minimum + room, maximum ?? capPages));
}

const mebibytes = (pages: number): string => `${Number(((pages * PAGE_BYTES) / 2 ** 20).toFixed(1))} MiB`;

/** The imports that rewriting has added, and memory 0 if it is among them. */
export function limitImports(
  limits: ModuleLimits,
  caps: readonly number[],
  guard: Guard,
): {
  readonly module: string;
  readonly imports: Record<string, WebAssembly.Memory>;
  readonly memory: WebAssembly.Memory | undefined;
} {
  const imports: Record<string, WebAssembly.Memory> = { [KILL_WORD_IMPORT]: guard.memory };
  limits.memories.forEach(({ name, initialPages }, i) => {
    imports[name] = new WebAssembly.Memory({ initial: initialPages, maximum: caps[i] });
  });
  return { module: LIMITS_MODULE, imports, memory: imports[limits.memories[0]?.name] };
}

/** A limit that a failed call had run into. */
export interface ExceededLimit {
  readonly cause: FailureCause;
  /** "the deadline of 50 ms has passed" */
  readonly fact: string;
}

/** Which limit ended the call that has just left `guard` by an exception; null: none. */
export function exceededLimit(guard: Guard, killed: boolean): ExceededLimit | null {
  if (killed) return { cause: 'deadline', fact: `the deadline of ${guard.deadlineMs} ms has passed` };
  if (guard.growthRefused) return { cause: 'out_of_memory', fact: 'the memory limit was reached' };
  return null;
}
