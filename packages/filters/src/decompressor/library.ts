// The libraries a decompressor can have: gzip, brotli and zstd, all of node:zlib, which works on its own threads.

import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib';
import { DragomanError } from '@dragoman/base';
import type { DecompressorGzip, DecompressorZstd, TypedExtensionConfig } from '@dragoman/config';

const COMPRESSION = 'envoy.extensions.compression';
export const GZIP = `${COMPRESSION}.gzip.decompressor.v3.Gzip`;
export const BROTLI = `${COMPRESSION}.brotli.decompressor.v3.Brotli`;
export const ZSTD = `${COMPRESSION}.zstd.decompressor.v3.Zstd`;

const DEFAULT_GZIP_WINDOW_BITS = 15;
const DEFAULT_MAX_INFLATE_RATIO = 100;

/** A stream of node:zlib. */
export type Engine = ReturnType<typeof createGunzip> | ReturnType<typeof createBrotliDecompress>;

export interface Library {
  /** The content-coding, and the name under which there are statistics. */
  readonly encoding: string;
  readonly statName: string;
  /** A body that grows by more than this is not decompressed to its end; Infinity = no limit. */
  readonly maxRatio: number;
  create(): Engine;
}

/** @throws DragomanError UNSUPPORTED for a type that is not one of these. */
export function libraryFor(config: TypedExtensionConfig | undefined): Library {
  const any = config?.typedConfig;
  switch (any?.typeName) {
    case GZIP: {
      const gzip = any.value as DecompressorGzip;
      const windowBits = gzip.windowBits ?? DEFAULT_GZIP_WINDOW_BITS;
      const maxRatio = gzip.maxInflateRatio ?? DEFAULT_MAX_INFLATE_RATIO;
      return { encoding: 'gzip', statName: 'gzip', maxRatio, create: () => createGunzip({ windowBits }) };
    }
    case BROTLI:
      return {
        encoding: 'br',
        statName: 'brotli',
        maxRatio: Number.POSITIVE_INFINITY,
        create: () => createBrotliDecompress(),
      };
    case ZSTD:
      if ((any.value as DecompressorZstd).dictionaries.length > 0)
        throw new DragomanError('UNSUPPORTED', 'decompressor_library: dictionaries are not supported');
      return {
        encoding: 'zstd',
        statName: 'zstd',
        maxRatio: Number.POSITIVE_INFINITY,
        create: () => createZstdDecompress(),
      };
    default:
      throw new DragomanError(
        'UNSUPPORTED',
        `decompressor_library: ${any?.typeName ?? 'nothing'} is not supported`,
      );
  }
}
