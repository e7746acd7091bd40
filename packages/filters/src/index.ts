// Entry of @dragoman/filters: the filter types a proxy can use, and what the main thread prepares for them.
import type { HttpFilterType } from '@dragoman/proxy';
import { faultFilterType } from './fault/fault.ts';
import { headerMutationFilterType } from './header-mutation/header-mutation.ts';
import { wasmFilterType } from './wasm/filter-type.ts';

export { type PreparedPlugins, type PrepareOptions, prepareWasmPlugins } from './wasm/prepare.ts';

/** All HTTP filters of this package; the router is the proxy's own. */
export const httpFilterTypes: readonly HttpFilterType[] = [
  wasmFilterType as HttpFilterType,
  faultFilterType as HttpFilterType,
  headerMutationFilterType as HttpFilterType,
];
