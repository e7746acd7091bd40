// typed_per_filter_config: what each HTTP filter is told at the levels table, virtual host, route, weighted cluster.

import type { Any, FilterConfig } from '@dragoman/config';

const FILTER_CONFIG = 'envoy.config.route.v3.FilterConfig';

/** Turns the message for one filter into what the filter reads; undefined when the filter is not known. */
export type CompileFilterConfig = (filterName: string, config: Any) => unknown;

/** All that one route says to one filter. */
interface FilterEntry {
  /** Least specific first. */
  readonly configs: readonly unknown[];
  /** The most specific word on it: true = off here, false = on here, undefined = as in the chain. */
  readonly disabled: boolean | undefined;
}

const NO_CONFIGS: readonly unknown[] = [];

/** Per-filter configuration as seen from one level, with what the levels above say. */
export class FilterConfigs {
  static readonly none = new FilterConfigs(new Map());

  readonly #entries: ReadonlyMap<string, FilterEntry>;

  constructor(entries: ReadonlyMap<string, FilterEntry>) {
    this.#entries = entries;
  }

  /** The most specific configuration; undefined when there is none. */
  mostSpecific(filterName: string): unknown {
    return this.#entries.get(filterName)?.configs.at(-1);
  }

  /** All configurations, least specific first. */
  all(filterName: string): readonly unknown[] {
    return this.#entries.get(filterName)?.configs ?? NO_CONFIGS;
  }

  disabled(filterName: string): boolean | undefined {
    return this.#entries.get(filterName)?.disabled;
  }

  /** The view from the next more specific level; the same object when that level says nothing. */
  extend(level: Readonly<Record<string, Any>>, compile: CompileFilterConfig): FilterConfigs {
    const names = Object.keys(level);
    if (names.length === 0) return this;
    const entries = new Map(this.#entries);
    for (const name of names) {
      const above = entries.get(name);
      const { config, disabled } = unwrapped(level[name]);
      const compiled = config === undefined ? undefined : compile(name, config);
      entries.set(name, {
        configs:
          compiled === undefined ? (above?.configs ?? NO_CONFIGS) : [...(above?.configs ?? []), compiled],
        disabled,
      });
    }
    return new FilterConfigs(entries);
  }
}

/** A level that gives a filter a configuration also switches it on there. */
function unwrapped(any: Any): { config: Any | undefined; disabled: boolean } {
  if (any.typeName !== FILTER_CONFIG) return { config: any, disabled: false };
  const wrapper = any.value as FilterConfig;
  return { config: wrapper.config, disabled: wrapper.disabled };
}
