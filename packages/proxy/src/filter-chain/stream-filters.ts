// The filters of one request: made when it begins, told when it has ended. The array is reused from request to request.

import type { HttpFilter, HttpFilterInstance } from './filter.ts';
import type { FilterPipeline } from './filter-pipeline.ts';
import type { Stream } from './stream.ts';

export class StreamFilters {
  readonly #stream: Stream;
  readonly #filters: HttpFilter[] = [];

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  create(instances: readonly HttpFilterInstance[], decode: FilterPipeline, encode: FilterPipeline): void {
    for (let i = 0; i < instances.length; i++) {
      const filter = instances[i].createFilter(this.#stream);
      if (filter === null) continue;
      this.#filters.push(filter);
      decode.add(filter);
    }
    for (let i = this.#filters.length - 1; i >= 0; i--) encode.add(this.#filters[i]);
  }

  log(): void {
    const filters = this.#filters;
    for (let i = 0; i < filters.length; i++) filters[i].onLog?.(this.#stream);
  }

  destroy(): void {
    const filters = this.#filters;
    for (let i = 0; i < filters.length; i++) filters[i].onDestroy?.(this.#stream);
    filters.length = 0;
  }
}
