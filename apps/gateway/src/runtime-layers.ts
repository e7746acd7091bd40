// The runtime: values that the configuration layers over each other and the admin interface may change while the proxy
// runs. Shown by /runtime, changed by /runtime_modify, sent to the workers as one merged table.

import type { RuntimeLayer, RuntimeView } from '@dragoman/admin';
import type { Bootstrap } from '@dragoman/config';
import { staticRuntime } from '@dragoman/proxy';

interface Layer {
  readonly name: string;
  readonly values: Map<string, unknown>;
  readonly admin: boolean;
}

export class RuntimeLayers implements RuntimeView {
  readonly #layers: Layer[];
  readonly #onChange: (merged: ReadonlyMap<string, unknown>) => void;

  constructor(bootstrap: Bootstrap, onChange: (merged: ReadonlyMap<string, unknown>) => void) {
    this.#onChange = onChange;
    this.#layers = (bootstrap.layeredRuntime?.layers ?? []).map(layer => ({
      name: layer.name,
      values: staticRuntime({ ...bootstrap, layeredRuntime: { layers: [layer] } }),
      admin: layer.adminLayer !== undefined,
    }));
  }

  layers(): readonly RuntimeLayer[] {
    return this.#layers.map(({ name, values }) => ({
      name,
      values: Object.fromEntries(values.entries().map(([key, value]) => [key, valueText(value)])),
    }));
  }

  merge(changes: Readonly<Record<string, string>>): boolean {
    const layer = this.#layers.find(({ admin }) => admin);
    if (layer === undefined) return false;
    for (const [key, text] of Object.entries(changes)) {
      if (text === '') layer.values.delete(key);
      else layer.values.set(key, parseValue(text));
    }
    this.#onChange(this.merged);
    return true;
  }

  /** What the workers go by: later layers win. */
  get merged(): Map<string, unknown> {
    return new Map(this.#layers.flatMap(({ values }) => [...values]));
  }
}

const valueText = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);

/** Numbers and booleans as such, as in a configured layer. */
function parseValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
