// The shape of a foreign function: something an embedder offers to guests by name (proxy_call_foreign_function).

import type { Status } from '@dragoman/abi';
import type { Context } from '../contexts/context.ts';

/** `status` other than 0 is answered to the guest; `result` (when not empty) is handed over in either case. */
export interface ForeignResult {
  readonly status: Status;
  readonly result: Uint8Array | null;
}

/**
 * `context` is the one the callback was made on; the effective one (ABI reference 2.8) is `context.vm.effective`. Which of
 * the two counts is for the function to say. `args` is borrowed guest
 * memory: valid until the function returns.
 */
export type ForeignFunction = (args: Buffer, context: Context) => ForeignResult;
