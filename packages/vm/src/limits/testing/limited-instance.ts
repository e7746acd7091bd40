// Instantiates a module as it is and as it is after rewriting, for tests that compare the two.

import { LIMITS_MODULE } from '../module-rewriter/declarations.ts';
import { KILL_WORD_IMPORT, KillWordLayout } from '../module-rewriter/inserted-code.ts';
import { type RewrittenModule, rewriteModule } from '../module-rewriter/module-rewriter.ts';

type Functions = Record<string, (...args: unknown[]) => unknown>;

/** A rewritten module at work, with the kill word in reach. */
export interface LimitedInstance {
  readonly rewritten: RewrittenModule;
  readonly exports: Functions;
  readonly memories: readonly WebAssembly.Memory[];
  /** The shared memory by words; index KillWordLayout.X / 4. */
  readonly words: Int32Array;
}

/** Rewrites and instantiates; the memories get `capPages` at most. The kill word says that call 1 is running. */
export function limitedInstance(
  bytes: Uint8Array,
  imports: WebAssembly.Imports = {},
  capPages = 2048,
): LimitedInstance {
  const rewritten = rewriteModule(bytes);
  const killWord = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const words = new Int32Array(killWord.buffer);
  words[KillWordLayout.CallNumber / 4] = 1;
  const memories = rewritten.memories.map(
    ({ initialPages, maximumPages }) =>
      new WebAssembly.Memory({
        initial: initialPages,
        maximum: Math.min(maximumPages ?? capPages, capPages),
      }),
  );
  const limits: Record<string, WebAssembly.Memory> = { [KILL_WORD_IMPORT]: killWord };
  rewritten.memories.forEach(({ name }, i) => {
    limits[name] = memories[i];
  });
  const module = new WebAssembly.Module(rewritten.bytes);
  const instance = new WebAssembly.Instance(module, { ...imports, [LIMITS_MODULE]: limits });
  return { rewritten, exports: instance.exports as unknown as Functions, memories, words };
}
