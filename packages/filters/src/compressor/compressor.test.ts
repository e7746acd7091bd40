import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { HttpFilterType } from '@dragoman/proxy';
import fc from 'fast-check';
import { lines, request, response, TestBench } from '../test-stream.ts';
import { chooseEncoding, Decision } from './accept-encoding.ts';
import { compressorFilterType } from './compressor.ts';
import { GzipStream } from './gzip-stream.ts';

const type = compressorFilterType as unknown as HttpFilterType<never, never>;
const LIBRARY = {
  name: 'gzip',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip' },
};
const TEXT = 'All work and no play makes Jack a dull boy. '.repeat(5);

interface Case {
  accept?: string | null;
  headers?: Record<string, string>;
  config?: Record<string, unknown>;
  route?: Record<string, unknown>;
  status?: number;
}

function run({ accept = 'gzip', headers = {}, config = {}, route, status = 200 }: Case = {}) {
  const bench = new TestBench();
  const requestHeaders = request('/', accept === null ? {} : { 'accept-encoding': accept });
  const levels = route === undefined ? [] : [bench.routeConfig(type, route)];
  const stream = bench.stream(requestHeaders, ...levels);
  const filter = bench
    .instance(type, { compressor_library: LIBRARY, ...config })
    .createFilter(stream.asStream);
  filter?.decodeHeaders?.(stream.asStream, requestHeaders, true);
  const answer = response(status, {
    'content-type': 'text/plain',
    'content-length': String(TEXT.length),
    ...headers,
  });
  filter?.encodeHeaders?.(stream.asStream, answer, false);
  const frame = { bytes: Buffer.from(TEXT) };
  filter?.encodeData?.(stream.asStream, frame, true);
  const compressed = answer.get('content-encoding') === 'gzip';
  const body = (compressed ? gunzipSync(frame.bytes) : frame.bytes).toString();
  assert.equal(body, TEXT);
  return { bench, compressed, lines: lines(answer), request: lines(requestHeaders) };
}

test('a compressible response is compressed for who takes it', () => {
  const { compressed, lines: headers, bench } = run();
  assert.equal(compressed, true);
  assert.deepEqual(headers, ['content-type: text/plain', 'content-encoding: gzip', 'vary: Accept-Encoding']);
  const prefix = 'http.test.compressor.gzip.gzip.';
  assert.equal(bench.counter(`${prefix}compressed`), 1);
  assert.equal(bench.counter(`${prefix}header_compressor_used`), 1);
  assert.equal(bench.counter(`${prefix}total_uncompressed_bytes`), TEXT.length);
});

test('what is not compressed, and whether it would be for others', () => {
  const cases: [title: string, settings: Case, varies: boolean][] = [
    ['no accept-encoding', { accept: null }, true],
    ['identity', { accept: 'identity' }, true],
    ['image', { headers: { 'content-type': 'image/png' } }, false],
    ['short', { headers: { 'content-length': '29' } }, false],
    ['encoded', { headers: { 'content-encoding': 'br' } }, false],
    ['no-transform', { headers: { 'cache-control': 'private, no-transform' } }, false],
    ['etag', { headers: { etag: '"x"' }, config: { disable_on_etag_header: true } }, false],
    [
      'status',
      { status: 206, config: { response_direction_config: { uncompressible_response_codes: [206] } } },
      false,
    ],
    ['off on the route', { route: { disabled: true } }, false],
  ];
  for (const [title, settings, varies] of cases) {
    const result = run(settings);
    assert.equal(result.compressed, false, title);
    assert.equal(result.lines.includes('vary: Accept-Encoding'), varies, title);
  }
});

test('entity tags: strong ones go, weak ones stay; vary is extended', () => {
  assert.equal(run({ headers: { etag: '"abc"' } }).lines.includes('etag: "abc"'), false);
  assert.equal(run({ headers: { etag: 'W/"abc"' } }).lines.includes('etag: W/"abc"'), true);
  assert.ok(run({ headers: { vary: 'origin' } }).lines.includes('vary: origin, Accept-Encoding'));
  assert.ok(run({ headers: { vary: 'accept-encoding' } }).lines.includes('vary: accept-encoding'));
});

test('remove_accept_encoding_header, of the filter or of a route', () => {
  const config = { response_direction_config: { remove_accept_encoding_header: true } };
  assert.deepEqual(run({ config }).request, []);
  const route = { overrides: { response_direction_config: { remove_accept_encoding_header: false } } };
  assert.deepEqual(run({ config, route }).request, ['accept-encoding: gzip']);
});

test('other libraries are refused', () => {
  const brotli = { '@type': 'type.googleapis.com/envoy.extensions.compression.brotli.compressor.v3.Brotli' };
  assert.throws(
    () => run({ config: { compressor_library: { name: 'br', typed_config: brotli } } }),
    /only gzip is supported, not envoy\.extensions\.compression\.brotli/,
  );
});

test('accept-encoding', () => {
  const cases: [header: string, decision: number][] = [
    ['gzip', Decision.Compressor],
    ['deflate', Decision.NotValid],
    ['gzip;q=0', Decision.NotValid],
    ['*', Decision.Wildcard],
    ['br, gzip;q=0.5', Decision.Compressor],
    ['identity', Decision.Identity],
    ['GZIP', Decision.NotValid],
    ['identity;q=0.5, gzip;q=0.1', Decision.Identity],
    ['gzip;q=x', Decision.NotValid],
    ['gzip;q=0, *', Decision.NotValid],
    ['', Decision.NotValid],
  ];
  for (const [header, decision] of cases)
    assert.equal(chooseEncoding(header, 'gzip', true), decision, header);
  assert.equal(chooseEncoding('gzip', 'gzip', false), Decision.NotValid);
});

test('any pieces make one gzip member', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 }), pieces => {
      const gzip = new GzipStream({ level: -1, strategy: 0, memLevel: 5, windowBits: 12 });
      const out = pieces.map((piece, i) => gzip.compress(Buffer.from(piece), i === pieces.length - 1));
      assert.deepEqual(gunzipSync(Buffer.concat(out)), Buffer.concat(pieces));
    }),
  );
});

test('trailers end the member', () => {
  const bench = new TestBench();
  const headers = request('/', { 'accept-encoding': 'gzip' });
  const stream = bench.stream(headers);
  const filter = bench.instance(type, { compressor_library: LIBRARY }).createFilter(stream.asStream);
  filter?.decodeHeaders?.(stream.asStream, headers, true);
  const answer = response(200, { 'content-type': 'text/plain' });
  filter?.encodeHeaders?.(stream.asStream, answer, false);
  const frame = { bytes: Buffer.from(TEXT) };
  filter?.encodeData?.(stream.asStream, frame, false);
  filter?.encodeTrailers?.(stream.asStream, answer);
  assert.equal(gunzipSync(Buffer.concat([frame.bytes, ...stream.added])).toString(), TEXT);
});
