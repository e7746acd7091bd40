// The filter envoy.filters.http.compressor: compresses responses for clients that take it, with gzip.

import type { Compressor, CompressorPerRoute } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type DataFrame,
  DataStatus,
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Stream,
  TrailersStatus,
} from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import { chooseEncoding, Decision } from './accept-encoding.ts';
import { CompressorSettings } from './compressor-settings.ts';
import { GzipStream } from './gzip-stream.ts';

const EMPTY = Buffer.alloc(0);

/** Slots of `http.<prefix>.compressor.<library>.gzip.*`. */
class CompressorStats {
  readonly lane: StatLane;
  readonly requestNotCompressed: number;
  readonly compressed: number;
  readonly notCompressed: number;
  readonly totalUncompressedBytes: number;
  readonly totalCompressedBytes: number;
  readonly contentLengthTooSmall: number;
  readonly noAcceptHeader: number;
  readonly notCompressedEtag: number;
  /** By Decision. */
  readonly decisions: readonly number[];

  constructor(context: FilterContext, settings: CompressorSettings) {
    const { stats: lane, statPrefix } = context;
    const library = settings.libraryName === '' ? '' : `${settings.libraryName}.`;
    const prefix = `${statPrefix}compressor.${library}gzip.`;
    const response = settings.hasResponseConfig ? `${prefix}response.` : prefix;
    this.lane = lane;
    this.requestNotCompressed = lane.counter(`${prefix}request.not_compressed`);
    this.compressed = lane.counter(`${response}compressed`);
    this.notCompressed = lane.counter(`${response}not_compressed`);
    this.totalUncompressedBytes = lane.counter(`${response}total_uncompressed_bytes`);
    this.totalCompressedBytes = lane.counter(`${response}total_compressed_bytes`);
    this.contentLengthTooSmall = lane.counter(`${response}content_length_too_small`);
    this.noAcceptHeader = lane.counter(`${prefix}no_accept_header`);
    this.notCompressedEtag = lane.counter(`${prefix}not_compressed_etag`);
    this.decisions = ['header_compressor_used', 'header_wildcard', 'header_identity', 'header_not_valid'].map(
      name => lane.counter(prefix + name),
    );
  }
}

/** Per-route configuration. */
interface RouteSettings {
  readonly disabled: boolean;
  readonly removesAcceptEncoding: boolean | undefined;
}

class CompressorEntry implements HttpFilterInstance {
  readonly settings: CompressorSettings;
  readonly stats: CompressorStats;
  readonly name: string;

  constructor(settings: CompressorSettings, context: FilterContext) {
    this.settings = settings;
    this.stats = new CompressorStats(context, settings);
    this.name = context.filterName;
  }

  createFilter(): HttpFilter {
    return new CompressorFilter(this);
  }
}

class CompressorFilter implements HttpFilter {
  readonly #entry: CompressorEntry;
  #acceptEncoding: string | null = null;
  #disabled = false;
  #gzip: GzipStream | null = null;

  constructor(entry: CompressorEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const { settings, stats, name } = this.#entry;
    const ofRoute = stream.routeConfig(name) as RouteSettings | undefined;
    this.#disabled = ofRoute?.disabled === true;
    const accepted = headers.getAll('accept-encoding');
    if (accepted.length > 0) this.#acceptEncoding = accepted.join(',');
    if (this.#disabled) return HeadersStatus.Continue;
    stats.lane.inc(stats.requestNotCompressed);
    if (ofRoute?.removesAcceptEncoding ?? settings.removesAcceptEncoding) headers.remove('accept-encoding');
    return HeadersStatus.Continue;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders, endStream: boolean): HeadersStatus {
    const { settings, stats } = this.#entry;
    if (this.#disabled) return HeadersStatus.Continue;
    let candidate = settings.enabled(stream.worker.runtime);
    if (candidate && !settings.longEnough(headers)) {
      stats.lane.inc(stats.contentLengthTooSmall);
      candidate = false;
    }
    const compressible = candidate && settings.compressible(headers, stream.requestHeaders);
    if (!endStream && candidate && this.#accepted(headers) && compressible) {
      this.#begin(headers);
    } else {
      stats.lane.inc(stats.notCompressed);
    }
    if (compressible) addVary(headers);
    return HeadersStatus.Continue;
  }

  encodeData(_stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    if (this.#gzip !== null) data.bytes = this.#compress(data.bytes, endStream);
    return DataStatus.Continue;
  }

  encodeTrailers(stream: Stream, _trailers: HeaderMap): TrailersStatus {
    if (this.#gzip !== null) stream.addEncodedData(this, this.#compress(EMPTY, true));
    return TrailersStatus.Continue;
  }

  #compress(bytes: Buffer, end: boolean): Buffer {
    const { stats } = this.#entry;
    const compressed = this.#gzip?.compress(bytes, end) ?? bytes;
    stats.lane.add(stats.totalUncompressedBytes, bytes.length);
    stats.lane.add(stats.totalCompressedBytes, compressed.length);
    return compressed;
  }

  /** What the client takes; each answer is counted. */
  #accepted(headers: ResponseHeaders): boolean {
    const { settings, stats } = this.#entry;
    if (this.#acceptEncoding === null) {
      stats.lane.inc(stats.noAcceptHeader);
      return false;
    }
    const decision = chooseEncoding(
      this.#acceptEncoding,
      settings.encoding,
      settings.compressibleType(headers),
    );
    stats.lane.inc(stats.decisions[decision]);
    return decision === Decision.Compressor || decision === Decision.Wildcard;
  }

  /** A strong entity tag names the bytes that went in; those that come out are others. */
  #begin(headers: ResponseHeaders): void {
    const { settings, stats } = this.#entry;
    this.#gzip = new GzipStream(settings.gzip);
    const etag = headers.get('etag');
    if (etag !== undefined && !/^w\//i.test(etag)) headers.remove('etag');
    headers.remove('content-length');
    headers.set('content-encoding', settings.encoding);
    stats.lane.inc(stats.compressed);
  }
}

/** The answer depends on the request's accept-encoding, for every cache on the way. */
function addVary(headers: ResponseHeaders): void {
  const vary = headers.get('vary');
  if (vary === undefined || vary === '') headers.set('vary', 'Accept-Encoding');
  else if (!vary.split(',').some(name => name.trim().toLowerCase() === 'accept-encoding'))
    headers.set('vary', `${vary}, Accept-Encoding`);
}

export const compressorFilterType: HttpFilterType<Compressor, CompressorPerRoute> = {
  name: 'envoy.filters.http.compressor',
  configTypes: ['envoy.extensions.filters.http.compressor.v3.Compressor'],
  routeConfigTypes: ['envoy.extensions.filters.http.compressor.v3.CompressorPerRoute'],
  validate(config, report) {
    try {
      new CompressorSettings(config);
    } catch (error) {
      report('', error instanceof Error ? error.message : String(error));
    }
  },
  create(config, context) {
    return new CompressorEntry(new CompressorSettings(config), context);
  },
  compileRouteConfig(config): RouteSettings {
    return {
      disabled: config.disabled === true,
      removesAcceptEncoding: config.overrides?.responseDirectionConfig?.removeAcceptEncodingHeader,
    };
  },
};
