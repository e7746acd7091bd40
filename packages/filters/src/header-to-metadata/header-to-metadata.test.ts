import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpFilterType } from '@dragoman/proxy';
import { lines, request, response, TestBench } from '../test-stream.ts';
import { headerToMetadataFilterType } from './header-to-metadata.ts';

const type = headerToMetadataFilterType as unknown as HttpFilterType<never, never>;

function run(config: Record<string, unknown>, headers: Record<string, string | string[]>) {
  const bench = new TestBench();
  const requestHeaders = request('/', headers);
  const stream = bench.stream(requestHeaders);
  const filter = bench.instance(type, config).createFilter(stream.asStream);
  filter?.decodeHeaders?.(stream.asStream, requestHeaders, true);
  filter?.encodeHeaders?.(stream.asStream, response(200, headers), true);
  return { metadata: structuredClone({ ...stream.info.dynamicMetadata }), request: lines(requestHeaders) };
}

const put = (key: string, settings: Record<string, unknown> = {}) => ({
  metadata_namespace: 'ns',
  key,
  ...settings,
});

test('headers and cookies of requests become metadata', () => {
  const request_rules = [
    {
      header: 'X-Version',
      on_header_present: put('version'),
      on_header_missing: put('version', { value: 'none' }),
      remove: true,
    },
    { header: 'x-number', on_header_present: put('number', { type: 'NUMBER' }) },
    { header: 'x-64', on_header_present: put('plain', { encode: 'BASE64' }) },
    { cookie: 'user', on_header_present: put('user') },
    {
      header: 'x-path',
      on_header_present: put('cluster', {
        regex_value_rewrite: { pattern: { regex: '^/(\\w+)/.*' }, substitution: '\\1' },
      }),
    },
    { header: 'x-fixed', on_header_present: { key: 'fixed', value: 'constant' } },
  ];
  const { metadata, request: left } = run(
    { request_rules },
    {
      'x-version': ['1', '2'],
      'x-number': '7.5',
      'x-64': 'aMOp',
      cookie: 'user=me',
      'x-path': '/app/x',
      'x-fixed': 'y',
    },
  );
  assert.deepEqual(metadata, {
    ns: { version: '1,2', number: 7.5, plain: 'hé', user: 'me', cluster: 'app' },
    'envoy.filters.http.header_to_metadata': { fixed: 'constant' },
  });
  assert.equal(
    left.some(line => line.startsWith('x-version')),
    false,
  );
  assert.deepEqual(run({ request_rules }, {}).metadata, { ns: { version: 'none' } });
});

test('headers of responses', () => {
  const config = { response_rules: [{ header: 'x-a', on_header_present: put('a') }] };
  assert.deepEqual(run(config, { 'x-a': '1' }).metadata, { ns: { a: '1' } });
});

test('numbers that are none, and values without end, are left out', () => {
  const config = {
    request_rules: [
      { header: 'x-n', on_header_present: put('n', { type: 'NUMBER' }) },
      { header: 'x-l', on_header_present: put('l') },
    ],
  };
  assert.deepEqual(run(config, { 'x-n': 'seven', 'x-l': 'x'.repeat(8193) }).metadata, {});
});

test('what does not decode is not stored', () => {
  const rule = (header: string, more: object) => ({
    header,
    on_header_present: { metadata_namespace: 'ns', key: header, ...more },
  });
  const request_rules = [
    rule('x-64', { encode: 'BASE64' }),
    rule('x-unpadded', { encode: 'BASE64' }),
    rule('x-number', { type: 'NUMBER' }),
    rule('x-hex', { type: 'NUMBER' }),
  ];
  const headers = { 'x-64': 'no base64!', 'x-unpadded': 'aMO', 'x-number': 'seven', 'x-hex': '0x10' };
  assert.deepEqual(run({ request_rules }, headers).metadata?.ns, undefined);
});
