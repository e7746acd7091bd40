import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problems } from '../errors.ts';
import { messageSchema } from '../schema/descriptor.ts';
import type { Json } from '../text/source.ts';
import { type Decoded, JsonDecoder } from './json-decoder.ts';
import { mergeMessage } from './merge.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look anywhere
function merged(typeName: string, one: Json, two: Json): any {
  const decode = (json: Json) => new JsonDecoder(new Problems()).value(typeName, json) as Decoded;
  const into = decode(one);
  mergeMessage(messageSchema(typeName), into, decode(two));
  return into;
}

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

test('set scalars replace, unset and default ones leave', () => {
  const result = merged(
    CLUSTER,
    { name: 'a', lb_policy: 'RANDOM', connect_timeout: '1s' },
    { name: 'b', lb_policy: 'ROUND_ROBIN' },
  );
  assert.deepEqual([result.name, result.lbPolicy, result.connectTimeout], ['b', 'RANDOM', 1000]);
});

test('lists append, messages merge, map keys replace', () => {
  const result = merged(
    'envoy.config.bootstrap.v3.Bootstrap',
    { node: { id: 'a' }, static_resources: { clusters: [{ name: 'a' }] } },
    { node: { cluster: 'c' }, static_resources: { clusters: [{ name: 'b' }] } },
  );
  assert.deepEqual([result.node.id, result.node.cluster], ['a', 'c']);
  assert.deepEqual(
    result.staticResources.clusters.map((c: { name: string }) => c.name),
    ['a', 'b'],
  );
  const maps = merged(
    'envoy.config.core.v3.Metadata',
    { filter_metadata: { a: { x: 1 }, b: {} } },
    { filter_metadata: { a: { y: 2 } } },
  );
  assert.deepEqual(maps.filterMetadata, { a: { y: 2 }, b: {} });
});

test('the later member of a oneof is the one that stays', () => {
  const result = merged('envoy.config.core.v3.DataSource', { filename: '/a' }, { inline_string: 'b' });
  assert.deepEqual([result.filename, result.inlineString], [undefined, 'b']);
});
