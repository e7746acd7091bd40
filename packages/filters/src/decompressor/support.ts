// What the decompressor filter implements of its configuration messages.

import type { SupportDeclaration } from '@dragoman/config';
import { BROTLI, GZIP, ZSTD } from './library.ts';

const DECOMPRESSOR = 'envoy.extensions.filters.http.decompressor.v3.Decompressor';

export const decompressorSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.http': { [DECOMPRESSOR]: ['envoy.filters.http.decompressor'] },
    'envoy.compression.decompressor': {
      [GZIP]: ['envoy.compression.gzip.decompressor'],
      [BROTLI]: ['envoy.compression.brotli.decompressor'],
      [ZSTD]: ['envoy.compression.zstd.decompressor'],
    },
  },
  fields: {
    [DECOMPRESSOR]: '*',
    [`${DECOMPRESSOR}.CommonDirectionConfig`]: '*',
    [`${DECOMPRESSOR}.RequestDirectionConfig`]: '*',
    [`${DECOMPRESSOR}.ResponseDirectionConfig`]: '*',
    [GZIP]: ['window_bits', 'max_inflate_ratio'],
    [BROTLI]: [],
    [ZSTD]: [],
  },
  harmless: {
    [GZIP]: { chunk_size: 'output has the size it has' },
    [BROTLI]: {
      chunk_size: 'output has the size it has',
      disable_ring_buffer_reallocation: 'memory of the library only',
    },
    [ZSTD]: { chunk_size: 'output has the size it has' },
  },
};
