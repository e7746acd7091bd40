// The attributes of what is no stream under way: a TCP connection, and a finished stream or connection in an access log.

import type { FormatInput, StreamInfo } from '@dragoman/proxy';
import type { GuestHeaderMap, PropertyValue, StreamContext } from '@dragoman/vm';
import type { AttributeSource, ClusterFacts, RouteFacts } from './attributes/attribute.ts';
import { attributeValue } from './attributes/attribute-table.ts';
import type { PropertyScope } from './started-plugin.ts';

/** Attributes of one connection, or of what an access log is told of. */
export class InfoAttributes implements AttributeSource {
  readonly info: StreamInfo;
  readonly route: RouteFacts | null;
  readonly #scope: PropertyScope;
  readonly #context: StreamContext;

  constructor(info: StreamInfo, route: RouteFacts | null, scope: PropertyScope, context: StreamContext) {
    this.info = info;
    this.route = route;
    this.#scope = scope;
    this.#context = context;
  }

  /** The value at `path`, which has one component at least; undefined when there is none. */
  read(path: readonly string[]): PropertyValue {
    return attributeValue(this, path);
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

  get cluster(): ClusterFacts | null {
    const name = this.info.upstreamCluster;
    return name === '' ? null : (this.#scope.clusters.get(name) ?? null);
  }

  get listener(): PropertyScope['listener'] {
    return this.#scope.listener;
  }

  get node(): PropertyScope['node'] {
    return this.#scope.node;
  }
}

/** The route of a finished stream; a connection has none. */
export function routeOf(input: FormatInput): RouteFacts | null {
  const { route } = input;
  return route !== null && 'virtualHost' in route ? (route as unknown as RouteFacts) : null;
}
