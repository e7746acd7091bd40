// The attributes of an HTTP stream as its plugin reads them: the stream's facts, and the header maps that the plugin may
// see at the time of the call.

import type { Stream } from '@dragoman/proxy';
import type { GuestHeaderMap, PropertyValue, StreamContext } from '@dragoman/vm';
import type { AttributeSource, ClusterFacts, RouteFacts } from './attributes/attribute.ts';
import { attributeValue } from './attributes/attribute-table.ts';
import type { WasmFilterInstance } from './filter-type.ts';

/** The attributes of one stream; belongs to a filter object and is attached to stream after stream. */
export class StreamAttributes implements AttributeSource {
  readonly #instance: WasmFilterInstance;
  #stream!: Stream;
  #context!: StreamContext;

  constructor(instance: WasmFilterInstance) {
    this.#instance = instance;
  }

  /** The value at `path`, which has one component at least; undefined when there is none. */
  read(stream: Stream, context: StreamContext, path: readonly string[]): PropertyValue {
    this.#stream = stream;
    this.#context = context;
    return attributeValue(this, path);
  }

  get info(): Stream['info'] {
    return this.#stream.info;
  }

  get requestHeaders(): GuestHeaderMap | null {
    return this.#context.requestHeaders;
  }

  get responseHeaders(): GuestHeaderMap | null {
    return this.#context.responseHeaders;
  }

  get responseTrailers(): GuestHeaderMap | null {
    return this.#context.responseTrailers;
  }

  get route(): RouteFacts | null {
    return this.#stream.getRoute();
  }

  get cluster(): ClusterFacts | null {
    const { upstreamCluster } = this.#stream.info;
    const name = upstreamCluster === '' ? this.#stream.getRoute()?.cluster : upstreamCluster;
    if (name === undefined || name === '') return null;
    return this.#instance.clusters.get(name) ?? null;
  }

  get listener(): WasmFilterInstance['listener'] {
    return this.#instance.listener;
  }

  get node(): WasmFilterInstance['node'] {
    return this.#instance.node;
  }
}
