import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpFilterType } from '@dragoman/proxy';
import { request, TestBench } from '../test-stream.ts';
import { setMetadataFilterType } from './set-metadata.ts';

const type = setMetadataFilterType as unknown as HttpFilterType<never, never>;

function run(config: Record<string, unknown>, old: Record<string, unknown> = {}) {
  const bench = new TestBench();
  const headers = request('/');
  const stream = bench.stream(headers);
  for (const [key, value] of Object.entries(old)) stream.info.setDynamicMetadata('ns', key, value);
  bench.instance(type, config).createFilter(stream.asStream)?.decodeHeaders?.(stream.asStream, headers, true);
  return { bench, metadata: { ...stream.info.dynamicMetadata?.ns } };
}

test('the old fields merge: structures by member, lists joined', () => {
  const config = { metadata_namespace: 'ns', value: { a: { x: 1 }, list: [2], text: 'new' } };
  const { metadata } = run(config, { a: { y: 2 }, list: [1], text: 'old' });
  assert.deepEqual(metadata, { a: { x: 1, y: 2 }, list: [1, 2], text: 'new' });
});

test('entries leave what is there alone unless they may overwrite it', () => {
  const entry = { metadata_namespace: 'ns', value: { a: 1 } };
  const kept = run({ metadata: [entry] }, { a: 0 });
  assert.deepEqual(kept.metadata, { a: 0 });
  assert.equal(kept.bench.counter('http.test.set_metadata.overwrite_denied'), 1);
  assert.deepEqual(run({ metadata: [{ ...entry, allow_overwrite: true }] }, { a: 0 }).metadata, { a: 1 });
  assert.deepEqual(run({ metadata: [entry] }).metadata, { a: 1 });
});
