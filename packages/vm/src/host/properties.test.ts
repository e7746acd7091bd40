import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import type { PropertyValue } from '../property-value.ts';
import {
  descend,
  encodeProperty,
  integerProperty,
  jsonProperty,
  nanosecondsProperty,
} from '../property-value.ts';
import { inRequestHeaders, requestHeaders, startStream, startVm } from '../testing/fixture.ts';

const GET = 'proxy_get_property';
const SET = 'proxy_set_property';

const hex = (value: PropertyValue): string | null => {
  const bytes = encodeProperty(value);
  return bytes === null ? null : Buffer.from(bytes).toString('hex');
};

describe('properties', () => {
  test('S94: a trailing NUL adds nothing, an empty path is SERIALIZATION_FAILURE, an unknown one NOT_FOUND', () => {
    const fixture = startStream();
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      const { puppet } = fixture;
      seen.push(puppet.ask(GET, 'plugin_name').text, puppet.ask(GET, 'plugin_name\0').text);
      seen.push(puppet.ask(GET, '').status, puppet.ask(GET, 'nothing').status);
      seen.push(puppet.ask(GET, 'plugin_name\0x').status);
      return 0;
    });
    assert.deepEqual(seen, [
      'plugin',
      'plugin',
      Status.SerializationFailure,
      Status.NotFound,
      Status.NotFound,
    ]);
  });

  test('S20: plugin_root_id can be read inside a root context_create, also when it is empty', () => {
    const { puppet, vm } = startVm();
    const seen: unknown[] = [];
    puppet.on.proxy_on_context_create = () => {
      seen.push(puppet.ask(GET, 'plugin_root_id'));
      return 0;
    };
    vm.startRoot({ name: 'p', rootId: '', configuration: Buffer.alloc(0) });
    vm.startRoot({ name: 'p', rootId: 'the root', configuration: Buffer.alloc(0) });
    assert.deepEqual(seen, [
      { status: 0, text: '' },
      { status: 0, text: 'the root' },
    ]);
  });

  test('S94: paths of several components reach the embedder, which answers for the stream or for the root', () => {
    const fixture = startStream({ host: { getProperty: (_root, path) => `root:${path.join('/')}` } });
    fixture.streamHost.properties.set('request.path', 'from the stream');
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(fixture.puppet.ask(GET, 'request\0path').text);
      fixture.puppet.call('proxy_set_effective_context', fixture.root.id);
      seen.push(fixture.puppet.ask(GET, 'xds\0node\0id').text);
      return 0;
    });
    assert.deepEqual(seen, ['from the stream', 'root:xds/node/id']);
  });

  test('S95: encodings', () => {
    const map = new Map<string, PropertyValue>([
      ['a', '1'],
      ['n', 2n],
    ]);
    assert.deepEqual(
      {
        text: hex('é'),
        integer: hex(8080n),
        negative: hex(-1n),
        double: hex(1.5),
        yes: hex(true),
        no: hex(false),
        bytes: hex(Buffer.from('ab')),
        none: hex(null),
        list: hex(['a', 'b']),
        map: hex({ get: key => map.get(key), entries: () => map.entries() }),
      },
      {
        text: 'e9',
        integer: '901f000000000000',
        negative: 'ffffffffffffffff',
        double: '000000000000f83f',
        yes: '01',
        no: '00',
        bytes: '6162',
        none: null,
        list: `02000000${'0100000000000000'.repeat(2)}${'6100006200'}00`,
        map: '0200000001000000010000000100000008000000610031006e00020000000000000000',
      },
    );
  });

  test('S94: descending into maps, lists and scalars', () => {
    const value = jsonProperty({ list: [1, { deep: 'x' }], number: 1 });
    const at = (...path: string[]) => descend(value, path, 0);
    assert.equal(Buffer.from(at('list', '1', 'deep') as Uint8Array).toString(), 'x');
    assert.equal(at('list', '0'), 1);
    for (const path of [['list', '2'], ['list', 'x'], ['none'], ['number', 'x'], ['constructor']]) {
      assert.equal(at(...path), undefined, path.join('.'));
    }
  });

  test('times become nanoseconds, numbers integers', () => {
    assert.equal(nanosecondsProperty(1.25), 1_250_000n);
    assert.equal(nanosecondsProperty(undefined), undefined);
    assert.equal(integerProperty(3.9), 3n);
    assert.equal(integerProperty(Number.NaN), undefined);
  });

  test('a value without encoding is SERIALIZATION_FAILURE', () => {
    const fixture = startStream();
    fixture.streamHost.properties.set('request', null);
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      status = fixture.puppet.ask(GET, 'request').status;
      return 0;
    });
    assert.equal(status, Status.SerializationFailure);
  });

  test('S96: set_property reaches the stream with its raw path, and is NOT_FOUND on a root', () => {
    const fixture = startStream();
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(fixture.puppet.call(SET, 'a\0b', 'value'));
      fixture.puppet.call('proxy_set_effective_context', fixture.root.id);
      seen.push(fixture.puppet.call(SET, 'k', 'v'));
      return 0;
    });
    assert.deepEqual(seen, [Status.Ok, Status.NotFound]);
    assert.deepEqual([...fixture.streamHost.properties], [['a\0b', Buffer.from('value')]]);
  });
});
