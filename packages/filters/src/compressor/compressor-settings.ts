// Compressor, compiled: which responses are compressed, and how. Only gzip is there.

import { constants } from 'node:zlib';
import { DragomanError } from '@dragoman/base';
import type { Compressor, Gzip, RuntimeFeatureFlag, TypedExtensionConfig } from '@dragoman/config';
import type { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { Runtime } from '@dragoman/proxy';
import type { GzipOptions } from './gzip-stream.ts';

const GZIP = 'envoy.extensions.compression.gzip.compressor.v3.Gzip';

/** What is compressed when no content types are configured. */
const DEFAULT_CONTENT_TYPES = [
  'application/javascript',
  'application/json',
  'application/xhtml+xml',
  'image/svg+xml',
  'text/css',
  'text/html',
  'text/plain',
  'text/xml',
];
const DEFAULT_MIN_LENGTH_BYTES = 30;

const LEVELS: Readonly<Record<string, number>> = {
  DEFAULT_COMPRESSION: constants.Z_DEFAULT_COMPRESSION,
  BEST_SPEED: 1,
  BEST_COMPRESSION: 9,
};

const STRATEGIES: Readonly<Record<Gzip['compressionStrategy'], number>> = {
  DEFAULT_STRATEGY: constants.Z_DEFAULT_STRATEGY,
  FILTERED: constants.Z_FILTERED,
  HUFFMAN_ONLY: constants.Z_HUFFMAN_ONLY,
  RLE: constants.Z_RLE,
  FIXED: constants.Z_FIXED,
};

function gzipOptions(library: TypedExtensionConfig | undefined): GzipOptions {
  if (library?.typedConfig?.typeName !== GZIP)
    throw new DragomanError(
      'UNSUPPORTED',
      `compressor_library: only gzip is supported, not ${library?.typedConfig?.typeName ?? 'nothing'}`,
    );
  const gzip = library.typedConfig.value as Gzip;
  const level = /^COMPRESSION_LEVEL_(\d)$/.exec(gzip.compressionLevel)?.[1];
  return {
    level: level === undefined ? LEVELS[gzip.compressionLevel] : Number(level),
    strategy: STRATEGIES[gzip.compressionStrategy],
    memLevel: gzip.memoryLevel ?? 5,
    windowBits: gzip.windowBits ?? 12,
  };
}

export class CompressorSettings {
  readonly encoding = 'gzip';
  readonly gzip: GzipOptions;
  readonly libraryName: string;
  /** True with `response_direction_config`: then statistics of responses have "response." before their names. */
  readonly hasResponseConfig: boolean;
  readonly removesAcceptEncoding: boolean;
  readonly #minLengthBytes: number;
  readonly #contentTypes: ReadonlySet<string>;
  readonly #disabledByEtag: boolean;
  readonly #excludedStatuses: ReadonlySet<number>;
  readonly #enabled: RuntimeFeatureFlag | undefined;

  /** @throws DragomanError UNSUPPORTED. */
  constructor(config: Compressor) {
    if (config.requestDirectionConfig !== undefined)
      throw new DragomanError('UNSUPPORTED', 'request_direction_config is not supported');
    const response = config.responseDirectionConfig;
    const common = response?.commonConfig;
    this.gzip = gzipOptions(config.compressorLibrary);
    this.libraryName = config.compressorLibrary?.name ?? '';
    this.hasResponseConfig = response !== undefined;
    this.removesAcceptEncoding = response?.removeAcceptEncodingHeader ?? config.removeAcceptEncodingHeader;
    this.#minLengthBytes =
      (common ? common.minContentLength : config.contentLength) ?? DEFAULT_MIN_LENGTH_BYTES;
    const types = common?.contentType ?? config.contentType;
    this.#contentTypes = new Set(types.length === 0 ? DEFAULT_CONTENT_TYPES : types);
    this.#disabledByEtag = response?.disableOnEtagHeader ?? config.disableOnEtagHeader;
    this.#excludedStatuses = new Set(response?.uncompressibleResponseCodes ?? []);
    this.#enabled = common ? common.enabled : config.runtimeEnabled;
  }

  enabled(runtime: Runtime): boolean {
    if (this.#enabled === undefined) return true;
    const override = runtime.get(this.#enabled.runtimeKey);
    if (override !== undefined) return override === true || override === 'true' || override === 1;
    return this.#enabled.defaultValue ?? true;
  }

  longEnough(headers: ResponseHeaders): boolean {
    const length = headers.get('content-length');
    return length === undefined || Number(length) >= this.#minLengthBytes;
  }

  compressibleType(headers: ResponseHeaders): boolean {
    const type = headers.get('content-type');
    return type === undefined || type === '' || this.#contentTypes.has(type.split(';')[0].trim());
  }

  /** Everything about the response that speaks against compressing it, except its length. */
  compressible(headers: ResponseHeaders, request: RequestHeaders | null): boolean {
    return (
      request?.method !== 'CONNECT' &&
      headers.status !== 101 &&
      !this.#excludedStatuses.has(headers.status) &&
      !headers.has('content-encoding') &&
      this.compressibleType(headers) &&
      !/(?:^|[,\s])no-transform(?:$|[,\s])/i.test(headers.get('cache-control') ?? '') &&
      !(this.#disabledByEtag && headers.has('etag'))
    );
  }
}
