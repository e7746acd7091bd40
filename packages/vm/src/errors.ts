// The errors an operator can meet when a module is loaded or a plugin started. Guests get statuses instead.

import { DragomanError } from '@dragoman/base';
import type { VmFailure } from './vm-host.ts';

/** ERR_DRAGOMAN_WASM_MODULE: the bytes are not a module this host can run. */
export class ModuleError extends DragomanError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('WASM_MODULE', message, options);
  }
}

/** ERR_DRAGOMAN_WASM_START: the module is sound, but the VM or a plugin of it would not start. */
export class PluginStartError extends DragomanError {
  /** How the guest died in its start functions; null: it refused, or there was nothing to start. */
  readonly failure: VmFailure | null;

  constructor(message: string, options?: { cause?: unknown; failure?: VmFailure }) {
    super('WASM_START', message, options);
    this.failure = options?.failure ?? null;
  }
}

/** ERR_DRAGOMAN_WASM_LIMITS: the module is not one whose time and memory could be limited. */
export class ModuleLimitsError extends DragomanError {
  /** Place in the module. */
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super('WASM_LIMITS', `${reason} (at byte ${offset})`);
    this.offset = offset;
  }
}
