// Tells what kind of death an exception out of guest code was. A call that ran into a limit ends with the same exception
// as one that trapped by itself: which it was, the guard knows.

import type { ExceededLimit } from './limits/imposed-limits.ts';
import type { FailureCause, VmFailure } from './vm-host.ts';

/** Thrown by the stub that stands in for an import no host offers. */
export class MissingImportError extends Error {
  constructor(module: string, name: string, why = 'which this host does not offer') {
    super(`the guest called ${module}.${name}, ${why}`);
    this.name = 'MissingImportError';
  }
}

const MAX_FRAMES = 20;

/**
 * Failure of `plugin` in the callback named `callback`, which ended with `error`, having run into `exceeded` or no limit.
 */
export function classifyFailure(
  plugin: string,
  callback: string,
  error: unknown,
  exceeded: ExceededLimit | null = null,
): VmFailure {
  let cause: FailureCause = 'host_error';
  if (error instanceof WebAssembly.RuntimeError) cause = 'trap';
  // Stack exhaustion is a RangeError in V8, not a RuntimeError (S110).
  else if (error instanceof RangeError && /call stack/.test(error.message)) cause = 'stack_overflow';
  else if (error instanceof MissingImportError) cause = 'contract_violation';
  let reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (exceeded !== null && cause === 'trap') {
    cause = exceeded.cause;
    reason = `${exceeded.fact} (${reason})`;
  }
  return { cause, plugin, callback, reason, backtrace: guestFrames(error) };
}

/** The wasm frames of a V8 stack: "at name (wasm://wasm/module-hash:wasm-function[12]:0x3f)". */
function guestFrames(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  const frames: string[] = [];
  for (const line of error.stack.split('\n')) {
    const match = /^\s*at (?:(\S+) \()?wasm:\/\/\S*?wasm-function\[(\d+)\]:(0x[0-9a-f]+)/.exec(line);
    if (match === null) continue;
    frames.push(`${String(frames.length).padStart(2)}:  ${match[3]} - ${match[1] ?? `function ${match[2]}`}`);
    if (frames.length === MAX_FRAMES) break;
  }
  return frames;
}
