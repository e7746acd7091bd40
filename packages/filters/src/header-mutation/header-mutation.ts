// The filter envoy.filters.http.header_mutation: changes headers, trailers and query parameters of requests and responses
// as configured for the whole chain, then as each level of the route says.

import type { HeaderMutationHeaderMutation, HeaderMutationPerRoute, Mutations } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  compileMutationList,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type MutationList,
  type Stream,
  TrailersStatus,
} from '@dragoman/proxy';
import { QueryMutations } from './query-mutations.ts';

/** Unlike routes, this filter may change pseudo headers. */
const RULES = { allowPseudoHeaders: true };

/** The mutations of one level, compiled. */
export class MutationSet {
  readonly request: MutationList | null;
  readonly requestTrailers: MutationList | null;
  readonly response: MutationList | null;
  readonly responseTrailers: MutationList | null;
  readonly query: QueryMutations;

  /** @throws DragomanError HEADER_MUTATION, or Error with the text of a wrong format. */
  constructor(config: Mutations | undefined) {
    this.request = compileMutationList(config?.requestMutations ?? [], RULES);
    this.requestTrailers = compileMutationList(config?.requestTrailersMutations ?? [], RULES);
    this.response = compileMutationList(config?.responseMutations ?? [], RULES);
    this.responseTrailers = compileMutationList(config?.responseTrailersMutations ?? [], RULES);
    this.query = new QueryMutations(config?.queryParameterMutations ?? []);
  }
}

/** Keeps nothing of a stream: one object serves them all. */
class HeaderMutationFilter implements HttpFilter, HttpFilterInstance {
  readonly #own: MutationSet;
  readonly #name: string;
  /** Route levels from the least to the most specific; by default the other way, so that the least specific wins. */
  readonly #mostSpecificLast: boolean;

  constructor(own: MutationSet, name: string, mostSpecificLast: boolean) {
    this.#own = own;
    this.#name = name;
    this.#mostSpecificLast = mostSpecificLast;
  }

  createFilter(): HttpFilter {
    return this;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    for (const set of this.#sets(stream)) {
      set.request?.evaluate(headers, stream);
      set.query.evaluate(headers, stream);
    }
    return HeadersStatus.Continue;
  }

  decodeTrailers(stream: Stream, trailers: HeaderMap): TrailersStatus {
    for (const set of this.#sets(stream)) set.requestTrailers?.evaluate(trailers, stream);
    return TrailersStatus.Continue;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders): HeadersStatus {
    for (const set of this.#sets(stream)) set.response?.evaluate(headers, stream);
    return HeadersStatus.Continue;
  }

  encodeTrailers(stream: Stream, trailers: HeaderMap): TrailersStatus {
    for (const set of this.#sets(stream)) set.responseTrailers?.evaluate(trailers, stream);
    return TrailersStatus.Continue;
  }

  /** The filter's own mutations, then those of the route's levels in their order. */
  #sets(stream: Stream): MutationSet[] {
    const levels = stream.routeConfigs(this.#name) as readonly MutationSet[];
    return [this.#own, ...(this.#mostSpecificLast ? levels : levels.toReversed())];
  }
}

function compiles(make: () => unknown, report: (path: string, message: string) => void): void {
  try {
    make();
  } catch (error) {
    report('mutations', error instanceof Error ? error.message : String(error));
  }
}

export const headerMutationFilterType: HttpFilterType<HeaderMutationHeaderMutation, HeaderMutationPerRoute> =
  {
    name: 'envoy.filters.http.header_mutation',
    configTypes: ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutation'],
    routeConfigTypes: ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute'],
    validate(config, report) {
      compiles(() => new MutationSet(config.mutations), report);
    },
    create(config, context) {
      const own = new MutationSet(config.mutations);
      return new HeaderMutationFilter(own, context.filterName, config.mostSpecificHeaderMutationsWins);
    },
    compileRouteConfig(config) {
      return new MutationSet(config.mutations);
    },
  };
