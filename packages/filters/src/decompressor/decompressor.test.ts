import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { HeaderMap } from '@dragoman/http';
import { DataStatus, HeadersStatus, type HttpFilterType, TrailersStatus } from '@dragoman/proxy';
import { decoded, lines, request, response, TestBench } from '../test-stream.ts';
import { decompressorFilterType } from './decompressor.ts';

const type = decompressorFilterType as unknown as HttpFilterType<never, never>;
const TEXT = Buffer.from(Array.from({ length: 500 }, (_, i) => `line ${i * 7919} of the body\n`).join(''));

const library = (name: string): object => ({
  name: 'lib',
  typed_config: {
    '@type': `type.googleapis.com/envoy.extensions.compression.${name.toLowerCase()}.decompressor.v3.${name}`,
  },
});

/** A request on its way through the filter; `done` resolves when the filter lets the end go. */
function start(config: object, headers: Record<string, string>) {
  const bench = new TestBench();
  const requestHeaders = request('/', headers);
  const stream = bench.stream(requestHeaders);
  const events = new EventTarget();
  const out: Buffer[] = [];
  let ending = false;
  Object.assign(stream, {
    addDecodedData: (_filter: unknown, bytes: Buffer) => out.push(bytes),
    addEncodedData: (_filter: unknown, bytes: Buffer) => out.push(bytes),
    continueDecoding: () => events.dispatchEvent(new Event(ending ? 'end' : 'bytes')),
    continueEncoding: () => events.dispatchEvent(new Event(ending ? 'end' : 'bytes')),
  });
  const filter = bench.instance(type, config).createFilter(stream.asStream)!;
  const status = filter.decodeHeaders?.(stream.asStream, requestHeaders, false);
  const write = (bytes: Buffer, end: boolean): DataStatus | undefined => {
    ending ||= end;
    return filter.decodeData?.(stream.asStream, { bytes }, end);
  };
  return {
    bench,
    stream,
    filter,
    status,
    out,
    write,
    requestHeaders,
    events,
    setEnding: () => (ending = true),
  };
}

for (const [name, coding, compress] of [
  ['Gzip', 'gzip', gzipSync],
  ['Brotli', 'br', brotliCompressSync],
  ['Zstd', 'zstd', zstdCompressSync],
] as const) {
  test(`${name}: a request in pieces`, async () => {
    const compressed = compress(TEXT);
    const run = start(
      { decompressor_library: library(name) },
      { 'content-encoding': coding, 'content-length': '9' },
    );
    assert.equal(run.status, HeadersStatus.Continue);
    assert.deepEqual(lines(run.requestHeaders), [`accept-encoding: ${coding}`]);
    const end = once(run.events, 'end');
    for (let i = 0; i < compressed.length - 1; i += 7)
      assert.equal(
        run.write(compressed.subarray(i, Math.min(i + 7, compressed.length - 1)), false),
        DataStatus.StopIterationNoBuffer,
      );
    run.write(compressed.subarray(-1), true);
    await end;
    assert.deepEqual(Buffer.concat(run.out), TEXT);
    const prefix = `http.test.decompressor.lib.${name.toLowerCase()}.request.`;
    const counts = ['decompressed', 'not_decompressed', 'total_compressed_bytes', 'total_uncompressed_bytes'];
    assert.deepEqual(
      counts.map(count => run.bench.counter(prefix + count)),
      [1, 0, compressed.length, TEXT.length],
    );
  });
}

test('what is not decompressed', () => {
  const gzip = { decompressor_library: library('Gzip') };
  const off = { common_config: { enabled: { default_value: false, runtime_key: 'k' } } };
  const cases: [config: object, headers: Record<string, string>, expected: string[]][] = [
    [gzip, {}, ['accept-encoding: gzip']],
    [gzip, { 'accept-encoding': 'br' }, ['accept-encoding: br,gzip']],
    [gzip, { 'content-encoding': 'br' }, ['content-encoding: br', 'accept-encoding: gzip']],
    [
      gzip,
      { 'content-encoding': 'gzip', 'cache-control': 'no-transform' },
      ['content-encoding: gzip', 'cache-control: no-transform', 'accept-encoding: gzip'],
    ],
    [
      { ...gzip, request_direction_config: { ...off, advertise_accept_encoding: false } },
      { 'content-encoding': 'gzip' },
      ['content-encoding: gzip'],
    ],
    [{ ...gzip, response_direction_config: off }, {}, []],
  ];
  for (const [config, headers, expected] of cases) {
    const run = start(config, headers);
    assert.deepEqual(lines(run.requestHeaders), expected);
    assert.equal(run.write(TEXT, true), DataStatus.Continue);
    assert.equal(run.bench.counter('http.test.decompressor.lib.gzip.request.not_decompressed'), 1);
  }
});

test('a response with trailers, and another coding below', async () => {
  const run = start({ decompressor_library: library('Gzip') }, {});
  const answer = response(200, { 'content-encoding': 'gzip, br', 'content-length': '9' });
  run.filter.encodeHeaders?.(run.stream.asStream, answer, false);
  assert.deepEqual(lines(answer), ['content-encoding: br']);
  const end = once(run.events, 'end');
  run.filter.encodeData?.(run.stream.asStream, { bytes: gzipSync(TEXT) }, false);
  run.setEnding();
  const trailers = null as unknown as HeaderMap;
  assert.equal(run.filter.encodeTrailers?.(run.stream.asStream, trailers), TrailersStatus.StopIteration);
  await end;
  assert.deepEqual(Buffer.concat(run.out), TEXT);
});

test('broken bodies and bombs end where they break', async () => {
  const bomb = gzipSync(Buffer.alloc(4_000_000));
  for (const body of [Buffer.from('no gzip at all'), bomb]) {
    const run = start({ decompressor_library: library('Gzip') }, { 'content-encoding': 'gzip' });
    const end = once(run.events, 'end');
    run.write(body, true);
    await end;
    assert.ok(Buffer.concat(run.out).length <= body.length * 100);
  }
});

test('other libraries are refused', () => {
  const found: string[] = [];
  const config = decoded('envoy.extensions.filters.http.decompressor.v3.Decompressor', {
    decompressor_library: {
      name: 'x',
      typed_config: { '@type': 'type.googleapis.com/google.protobuf.Empty' },
    },
  });
  decompressorFilterType.validate?.(config, (_path, message) => found.push(message));
  assert.equal(found.length, 1);
});
