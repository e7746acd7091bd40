// The filter envoy.filters.http.set_metadata: puts constants into the dynamic metadata of every request.

import type { JsonObject, JsonValue, SetMetadataConfig } from '@dragoman/config';
import {
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Stream,
} from '@dragoman/proxy';

interface Entry {
  readonly namespace: string;
  readonly allowOverwrite: boolean;
  readonly value: JsonObject;
}

/** Structures are merged member by member, lists are joined, anything else is replaced (Envoy: StructUtil::update). */
function merged(old: JsonValue | undefined, added: JsonValue): JsonValue {
  if (Array.isArray(old) && Array.isArray(added)) return [...old, ...added];
  if (!isObject(old) || !isObject(added)) return added;
  const result: JsonObject = { ...old };
  for (const [key, value] of Object.entries(added)) result[key] = merged(result[key], value);
  return result;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keeps nothing of a stream: one object serves them all. */
class SetMetadataFilter implements HttpFilter, HttpFilterInstance {
  readonly #entries: readonly Entry[];
  readonly #context: FilterContext;
  readonly #overwriteDenied: number;

  constructor(config: SetMetadataConfig, context: FilterContext) {
    const legacy =
      config.metadataNamespace !== '' && config.value !== undefined
        ? [{ namespace: config.metadataNamespace, allowOverwrite: true, value: config.value }]
        : [];
    const own = config.metadata.map(({ metadataNamespace, allowOverwrite, value }) => ({
      namespace: metadataNamespace,
      allowOverwrite,
      value: value ?? {},
    }));
    this.#entries = [...legacy, ...own];
    this.#context = context;
    this.#overwriteDenied = context.stats.counter(`${context.statPrefix}set_metadata.overwrite_denied`);
  }

  createFilter(): HttpFilter {
    return this;
  }

  decodeHeaders(stream: Stream): HeadersStatus {
    for (const { namespace, allowOverwrite, value } of this.#entries) {
      const old = stream.info.dynamicMetadata?.[namespace] as JsonObject | undefined;
      if (old !== undefined && !allowOverwrite) {
        this.#context.stats.inc(this.#overwriteDenied);
        continue;
      }
      for (const [key, added] of Object.entries(value))
        stream.info.setDynamicMetadata(namespace, key, merged(old?.[key], added));
    }
    return HeadersStatus.Continue;
  }
}

export const setMetadataFilterType: HttpFilterType<SetMetadataConfig> = {
  name: 'envoy.filters.http.set_metadata',
  configTypes: ['envoy.extensions.filters.http.set_metadata.v3.Config'],
  validate(config, report) {
    for (const [index, { typedValue }] of config.metadata.entries())
      if (typedValue !== undefined) report(`metadata.${index}.typed_value`, 'typed_value is not supported');
  },
  create(config, context) {
    return new SetMetadataFilter(config, context);
  },
};
