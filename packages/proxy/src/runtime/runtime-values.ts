// The runtime layers merged into one table of dotted keys: later layers win. Static layers come from the bootstrap; the
// admin layer is changed while the proxy runs and posted to the workers.

import type { Bootstrap } from '@dragoman/config';
import type { Runtime } from '../route/runtime-fraction.ts';

export class RuntimeValues implements Runtime {
  #values: ReadonlyMap<string, unknown>;

  constructor(values: ReadonlyMap<string, unknown> = new Map()) {
    this.#values = values;
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  replace(values: ReadonlyMap<string, unknown>): void {
    this.#values = values;
  }
}

/** The static layers of a bootstrap, merged. */
export function staticRuntime(bootstrap: Bootstrap): Map<string, unknown> {
  const merged = new Map<string, unknown>();
  for (const layer of bootstrap.layeredRuntime?.layers ?? [])
    if (layer.staticLayer !== undefined) flatten('', layer.staticLayer as Record<string, unknown>, merged);
  return merged;
}

/** `{a: {b: 1}}` becomes `a.b = 1`; a FractionalPercent object stays a value. */
function flatten(prefix: string, struct: Record<string, unknown>, into: Map<string, unknown>): void {
  for (const [key, value] of Object.entries(struct)) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isObject && !('numerator' in value)) flatten(name, value as Record<string, unknown>, into);
    else into.set(name, value);
  }
}
