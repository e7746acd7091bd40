// The filter envoy.filters.http.buffer: holds a request back until all of it is there, and gives it a content-length.

import type { Buffer as BufferConfig, BufferPerRoute } from '@dragoman/config';
import type { HeaderMap, RequestHeaders } from '@dragoman/http';
import {
  type DataFrame,
  DataStatus,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Stream,
  TrailersStatus,
} from '@dragoman/proxy';

interface BufferSettings {
  readonly disabled: boolean;
  readonly maxRequestBytes: number;
}

class BufferEntry implements HttpFilterInstance {
  readonly settings: BufferSettings;
  readonly name: string;

  constructor(settings: BufferSettings, name: string) {
    this.settings = settings;
    this.name = name;
  }

  createFilter(): HttpFilter {
    return new BufferFilter(this);
  }
}

class BufferFilter implements HttpFilter {
  readonly #entry: BufferEntry;
  #buffering = false;
  #length = 0;

  constructor(entry: BufferEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, _headers: RequestHeaders, endStream: boolean): HeadersStatus {
    if (endStream) return HeadersStatus.Continue;
    const ofRoute = stream.routeConfig(this.#entry.name) as BufferSettings | undefined;
    const settings = ofRoute ?? this.#entry.settings;
    if (settings.disabled) return HeadersStatus.Continue;
    this.#buffering = true;
    stream.decode.limitBytes = settings.maxRequestBytes;
    return HeadersStatus.StopIteration;
  }

  decodeData(stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    if (!this.#buffering) return DataStatus.Continue;
    this.#length += data.bytes.length;
    if (!endStream) return DataStatus.StopIterationAndBuffer;
    if (this.#length > stream.decode.limitBytes) return DataStatus.StopIterationAndBuffer;
    this.#setContentLength(stream);
    return DataStatus.Continue;
  }

  decodeTrailers(stream: Stream, _trailers: HeaderMap): TrailersStatus {
    if (this.#buffering) this.#setContentLength(stream);
    return TrailersStatus.Continue;
  }

  #setContentLength(stream: Stream): void {
    const headers = stream.requestHeaders;
    if (headers !== null && !headers.has('content-length'))
      headers.set('content-length', String(this.#length));
  }
}

function settingsOf(config: BufferConfig | undefined): BufferSettings {
  return { disabled: false, maxRequestBytes: config?.maxRequestBytes ?? 0 };
}

export const bufferFilterType: HttpFilterType<BufferConfig, BufferPerRoute> = {
  name: 'envoy.filters.http.buffer',
  configTypes: ['envoy.extensions.filters.http.buffer.v3.Buffer'],
  routeConfigTypes: ['envoy.extensions.filters.http.buffer.v3.BufferPerRoute'],
  create(config, context) {
    return new BufferEntry(settingsOf(config), context.filterName);
  },
  compileRouteConfig(config) {
    return config.disabled === true ? { disabled: true, maxRequestBytes: 0 } : settingsOf(config.buffer);
  },
};
