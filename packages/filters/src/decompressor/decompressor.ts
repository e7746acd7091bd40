// The filter envoy.filters.http.decompressor: decompresses request and response bodies of one content-coding, and offers
// that coding to upstreams.

import type { Decompressor, Decompressor_CommonDirectionConfig, RuntimeFeatureFlag } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type DataFrame,
  DataStatus,
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Runtime,
  type Stream,
  TrailersStatus,
} from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import { BodyDecompression, type DecompressionSink } from './body-decompression.ts';
import { type Library, libraryFor } from './library.ts';

function flagged(flag: RuntimeFeatureFlag | undefined, runtime: Runtime): boolean {
  if (flag === undefined) return true;
  const override = runtime.get(flag.runtimeKey);
  return override === undefined ? (flag.defaultValue ?? true) : String(override) === 'true';
}

/** What is decompressed in one direction, and its counters. */
class DirectionSettings {
  readonly lane: StatLane;
  readonly decompressed: number;
  readonly notDecompressed: number;
  readonly totalCompressedBytes: number;
  readonly totalUncompressedBytes: number;
  readonly #config: Decompressor_CommonDirectionConfig | undefined;
  readonly #encoding: string;

  constructor(
    config: Decompressor_CommonDirectionConfig | undefined,
    encoding: string,
    lane: StatLane,
    prefix: string,
  ) {
    this.#config = config;
    this.#encoding = encoding;
    this.lane = lane;
    this.decompressed = lane.counter(`${prefix}decompressed`);
    this.notDecompressed = lane.counter(`${prefix}not_decompressed`);
    this.totalCompressedBytes = lane.counter(`${prefix}total_compressed_bytes`);
    this.totalUncompressedBytes = lane.counter(`${prefix}total_uncompressed_bytes`);
  }

  enabled(runtime: Runtime): boolean {
    return flagged(this.#config?.enabled, runtime);
  }

  applies(headers: HeaderMap, runtime: Runtime): boolean {
    if (!this.enabled(runtime)) return false;
    const cacheControl = headers.get('cache-control') ?? '';
    const forbidden = /(?:^|[,\s])no-transform(?:$|[,\s])/i.test(cacheControl);
    if (forbidden && this.#config?.ignoreNoTransformHeader !== true) return false;
    const coding = headers.get('content-encoding')?.split(',', 1)[0];
    return coding?.trim().toLowerCase() === this.#encoding;
  }
}

class DecompressorEntry implements HttpFilterInstance {
  readonly library: Library;
  readonly advertises: boolean;
  readonly request: DirectionSettings;
  readonly response: DirectionSettings;

  constructor(config: Decompressor, context: FilterContext) {
    const { requestDirectionConfig: request, responseDirectionConfig: response } = config;
    this.library = libraryFor(config.decompressorLibrary);
    this.advertises = request?.advertiseAcceptEncoding ?? true;
    const name = config.decompressorLibrary?.name ?? '';
    const prefix = `${context.statPrefix}decompressor.${name}.${this.library.statName}.`;
    const { encoding } = this.library;
    const { stats } = context;
    this.request = new DirectionSettings(request?.commonConfig, encoding, stats, `${prefix}request.`);
    this.response = new DirectionSettings(response?.commonConfig, encoding, stats, `${prefix}response.`);
  }

  createFilter(): HttpFilter {
    return new DecompressorFilter(this);
  }
}

/** One direction of one stream. */
class Direction implements DecompressionSink {
  readonly #settings: DirectionSettings;
  readonly #library: Library;
  /** Sends bytes on; after the last ones `end` is true. */
  readonly #forward: (bytes: Buffer | null, end: boolean) => void;
  #body: BodyDecompression | null = null;
  #endSeen = false;

  constructor(
    settings: DirectionSettings,
    library: Library,
    forward: (bytes: Buffer | null, end: boolean) => void,
  ) {
    this.#settings = settings;
    this.#library = library;
    this.#forward = forward;
  }

  begin(headers: HeaderMap, runtime: Runtime): void {
    const settings = this.#settings;
    if (!settings.applies(headers, runtime)) {
      settings.lane.inc(settings.notDecompressed);
      return;
    }
    settings.lane.inc(settings.decompressed);
    this.#body = new BodyDecompression(this.#library, this);
    headers.remove('content-length');
    const others = (headers.get('content-encoding') ?? '').split(',').slice(1).join(',').trim();
    if (others === '') headers.remove('content-encoding');
    else headers.set('content-encoding', others);
  }

  data(bytes: Buffer, endStream: boolean): DataStatus {
    const settings = this.#settings;
    if (this.#body === null) return DataStatus.Continue;
    settings.lane.add(settings.totalCompressedBytes, bytes.length);
    this.#body.write(bytes);
    if (endStream) this.#end();
    return DataStatus.StopIterationNoBuffer;
  }

  trailers(): TrailersStatus {
    if (this.#body === null) return TrailersStatus.Continue;
    this.#end();
    return TrailersStatus.StopIteration;
  }

  destroy(): void {
    this.#body?.destroy();
    this.#body = null;
  }

  onDecompressed(bytes: Buffer): void {
    const settings = this.#settings;
    settings.lane.add(settings.totalUncompressedBytes, bytes.length);
    this.#forward(bytes, false);
  }

  onEnd(): void {
    if (this.#body !== null) this.#forward(null, true);
  }

  /** True while the end of the body waits for what is still in zlib. */
  get endSeen(): boolean {
    return this.#endSeen;
  }

  #end(): void {
    this.#endSeen = true;
    this.#body?.end();
  }
}

class DecompressorFilter implements HttpFilter {
  readonly #entry: DecompressorEntry;
  #request: Direction | null = null;
  #response: Direction | null = null;

  constructor(entry: DecompressorEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders, endStream: boolean): HeadersStatus {
    const { library, advertises, request, response } = this.#entry;
    const { runtime } = stream.worker;
    if (advertises && response.enabled(runtime)) {
      const accepted = headers.getAll('accept-encoding');
      headers.set('accept-encoding', [...accepted, library.encoding].join(','));
    }
    if (endStream) return HeadersStatus.Continue;
    const direction = new Direction(request, library, (bytes, end) => {
      if (bytes !== null) stream.addDecodedData(this, bytes, true);
      // The end waits in the chain for the last bytes; until then nothing may let it go.
      if (end || !direction.endSeen) stream.continueDecoding(this);
    });
    this.#request = direction;
    direction.begin(headers, runtime);
    return HeadersStatus.Continue;
  }

  decodeData(_stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    return this.#request?.data(data.bytes, endStream) ?? DataStatus.Continue;
  }

  decodeTrailers(): TrailersStatus {
    return this.#request?.trailers() ?? TrailersStatus.Continue;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders, endStream: boolean): HeadersStatus {
    const { library, response } = this.#entry;
    if (endStream) return HeadersStatus.Continue;
    const direction = new Direction(response, library, (bytes, end) => {
      if (bytes !== null) stream.addEncodedData(this, bytes, true);
      if (end || !direction.endSeen) stream.continueEncoding(this);
    });
    this.#response = direction;
    direction.begin(headers, stream.worker.runtime);
    return HeadersStatus.Continue;
  }

  encodeData(_stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    return this.#response?.data(data.bytes, endStream) ?? DataStatus.Continue;
  }

  encodeTrailers(): TrailersStatus {
    return this.#response?.trailers() ?? TrailersStatus.Continue;
  }

  onDestroy(): void {
    this.#request?.destroy();
    this.#response?.destroy();
  }
}

export const decompressorFilterType: HttpFilterType<Decompressor> = {
  name: 'envoy.filters.http.decompressor',
  configTypes: ['envoy.extensions.filters.http.decompressor.v3.Decompressor'],
  validate(config, report) {
    try {
      libraryFor(config.decompressorLibrary);
    } catch (error) {
      report('decompressor_library', error instanceof Error ? error.message : String(error));
    }
  },
  create(config, context) {
    return new DecompressorEntry(config, context);
  },
};
