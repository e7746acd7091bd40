import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodePairs, encodePairs, Status } from '@dragoman/abi';
import { HeaderList } from '../header-list.ts';
import { inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';

const GET = 'proxy_get_header_map_value';
const ADD = 'proxy_add_header_map_value';
const REPLACE = 'proxy_replace_header_map_value';
const REMOVE = 'proxy_remove_header_map_value';

describe('header maps', () => {
  test('S39: an upper-case key matches in get, add, replace and remove', () => {
    const fixture = startStream();
    const headers = requestHeaders(['x-one', '1'], ['x-two', '2']);
    const seen: unknown[] = [];
    inRequestHeaders(fixture, headers, () => {
      seen.push(fixture.puppet.ask(GET, 0, 'X-One'));
      seen.push(fixture.puppet.call(ADD, 0, 'X-Three', '3'));
      seen.push(fixture.puppet.call(REPLACE, 0, 'X-ONE', 'new'));
      seen.push(fixture.puppet.call(REMOVE, 0, 'X-Two'));
      return 0;
    });
    assert.deepEqual(seen, [{ status: 0, text: '1' }, 0, 0, 0]);
    assert.deepEqual(headers.toArray().slice(4), [
      ['x-one', 'new'],
      ['x-three', '3'],
    ]);
  });

  test('S40: a missing header is NOT_FOUND, an empty one OK without an allocation', () => {
    const fixture = startStream();
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(['x-empty', '']), () => {
      seen.push(fixture.puppet.ask(GET, 0, 'x-none').status);
      seen.push(fixture.puppet.ask(GET, 0, 'x-empty').status, fixture.puppet.u32(0), fixture.puppet.u32(1));
      return 0;
    });
    assert.deepEqual(seen, [Status.NotFound, 0, 0, 0]);
    assert.deepEqual(fixture.puppet.allocations, []);
  });

  test('S40: a missing header is OK and empty for ABI 0.1.0', () => {
    const fixture = startStream({ markers: ['proxy_abi_version_0_1_0'] });
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(fixture.puppet.ask(GET, 0, 'x-none').status, fixture.puppet.u32(0), fixture.puppet.u32(1));
      return 0;
    });
    assert.deepEqual(seen, [0, 0, 0]);
  });

  test('S41: of two values get answers the first, pairs both', () => {
    const fixture = startStream();
    let first: unknown;
    let pairs: string[] | null = null;
    inRequestHeaders(fixture, requestHeaders(['x-a', '1'], ['x-a', '2']), () => {
      first = fixture.puppet.ask(GET, 0, 'x-a').text;
      fixture.puppet.ask('proxy_get_header_map_pairs', 0);
      pairs = decodePairs(Buffer.from(fixture.puppet.text(), 'latin1'));
      return 0;
    });
    assert.equal(first, '1');
    assert.deepEqual(pairs!.slice(8), ['x-a', '1', 'x-a', '2']);
  });

  test('S42: add appends, replace leaves one, removing what is not there is OK', () => {
    const fixture = startStream();
    const headers = requestHeaders(['x-a', '1'], ['x-a', '2']);
    const seen: number[] = [];
    inRequestHeaders(fixture, headers, () => {
      seen.push(fixture.puppet.call(ADD, 0, 'x-a', '3'));
      seen.push(fixture.puppet.call(REPLACE, 0, 'x-a', '4'));
      seen.push(fixture.puppet.call(REMOVE, 0, 'x-none'));
      return 0;
    });
    assert.deepEqual(seen, [0, 0, 0]);
    assert.deepEqual(headers.toArray().slice(4), [['x-a', '4']]);
  });

  test('S43: set_pairs drops what is not listed', () => {
    const fixture = startStream();
    const headers = requestHeaders(['x-old', '1']);
    inRequestHeaders(fixture, headers, () =>
      fixture.puppet.call('proxy_set_header_map_pairs', 0, encodePairs([':path', '/new', 'X-New', '2'])),
    );
    assert.deepEqual(headers.toArray(), [
      [':path', '/new'],
      ['x-new', '2'],
    ]);
  });

  for (const [what, bytes] of [
    ['no bytes', Buffer.alloc(0)],
    ['one zero byte', Buffer.alloc(1)],
    ['four zero bytes', Buffer.alloc(4)],
  ] as const) {
    test(`S36: set_pairs with ${what} empties the map`, () => {
      const fixture = startStream();
      const headers = requestHeaders();
      let status = -1;
      inRequestHeaders(fixture, headers, () => {
        status = fixture.puppet.call('proxy_set_header_map_pairs', 0, bytes);
        return 0;
      });
      assert.equal(status, Status.Ok);
      assert.equal(headers.count, 0);
    });
  }

  test('S37: set_pairs with malformed bytes empties the map and is OK', () => {
    const fixture = startStream();
    const headers = requestHeaders();
    let status = -1;
    inRequestHeaders(fixture, headers, () => {
      status = fixture.puppet.call(
        'proxy_set_header_map_pairs',
        0,
        Buffer.from('0200000001000000ffffffff', 'hex'),
      );
      return 0;
    });
    assert.equal(status, Status.Ok);
    assert.equal(headers.count, 0);
  });

  test('S44: map 8 and map -1 are BAD_ARGUMENT for all seven calls', () => {
    const fixture = startStream();
    const seen = new Set<number>();
    inRequestHeaders(fixture, requestHeaders(), () => {
      for (const map of [8, -1]) {
        const { puppet } = fixture;
        seen.add(puppet.ask(GET, map, ':path').status);
        seen.add(puppet.ask('proxy_get_header_map_pairs', map).status);
        seen.add(puppet.call('proxy_get_header_map_size', map, puppet.slot(0)));
        seen.add(puppet.call('proxy_set_header_map_pairs', map, ''));
        seen.add(puppet.call(ADD, map, 'a', 'b'));
        seen.add(puppet.call(REPLACE, map, 'a', 'b'));
        seen.add(puppet.call(REMOVE, map, 'a'));
      }
      return 0;
    });
    assert.deepEqual([...seen], [Status.BadArgument]);
  });

  test('S45: response headers in the request phase: value BAD_ARGUMENT, pairs OK and empty', () => {
    const fixture = startStream();
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(fixture.puppet.ask(GET, 2, ':status').status);
      seen.push(fixture.puppet.ask('proxy_get_header_map_pairs', 2), fixture.puppet.u32(0));
      seen.push(fixture.puppet.call('proxy_get_header_map_size', 2, fixture.puppet.slot(0)));
      return 0;
    });
    assert.deepEqual(seen, [Status.BadArgument, { status: 0, text: '' }, 0, Status.BadArgument]);
  });

  test('S46: request headers are out of reach once their callback has continued', () => {
    const fixture = startStream();
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => 0);
    fixture.puppet.on.proxy_on_response_headers = () => {
      status = fixture.puppet.ask(GET, 0, ':path').status;
      return 0;
    };
    fixture.stream.onResponseHeaders(HeaderList.from({ ':status': '200' }), false);
    assert.equal(status, Status.BadArgument);
  });

  test('S47: headers of a paused request can be read and changed from a later callback', () => {
    const fixture = startStream();
    const headers = requestHeaders();
    inRequestHeaders(fixture, headers, () => 1);
    const seen: unknown[] = [];
    fixture.puppet.on.proxy_on_tick = () => {
      fixture.puppet.call('proxy_set_effective_context', fixture.stream.id);
      seen.push(fixture.puppet.ask(GET, 0, ':path').text, fixture.puppet.call(ADD, 0, 'x-late', '1'));
      return 0;
    };
    fixture.root.setTickPeriod(10);
    fixture.clock.advance(10);
    assert.deepEqual(seen, ['/path?q=1', 0]);
    assert.equal(headers.get('x-late'), '1');
  });

  test('S48: in on_log headers can be read and not changed; a missing one is NOT_FOUND', () => {
    const fixture = startStream();
    const seen: unknown[] = [];
    fixture.puppet.on.proxy_on_log = () => {
      seen.push(fixture.puppet.ask(GET, 0, ':path').text, fixture.puppet.ask(GET, 2, ':status').text);
      seen.push(fixture.puppet.call(ADD, 0, 'x', 'y'), fixture.puppet.call(REPLACE, 0, 'x', 'y'));
      seen.push(fixture.puppet.call(REMOVE, 0, 'x'), fixture.puppet.ask(GET, 0, 'x').status);
      seen.push(fixture.puppet.ask(GET, 1, 'x').status);
      return 0;
    };
    fixture.stream.onLog(requestHeaders(), HeaderList.from({ ':status': '204' }), null);
    assert.deepEqual(seen, ['/path?q=1', '204', 2, 2, 2, Status.NotFound, Status.NotFound]);
  });

  test('S50: the last body callback can make trailers, an earlier one cannot', () => {
    const fixture = startStream();
    const seen: number[] = [];
    fixture.puppet.on.proxy_on_request_body = () => {
      seen.push(fixture.puppet.call(ADD, 1, 'x-trailer', 'v'));
      return 0;
    };
    const body = { length: 0, read: () => Buffer.alloc(0), splice: () => {} };
    fixture.stream.onRequestBody(body, false);
    fixture.stream.onRequestBody(body, true);
    assert.deepEqual(seen, [Status.BadArgument, Status.Ok]);
    assert.deepEqual(fixture.streamHost.requestTrailers?.toArray(), [['x-trailer', 'v']]);
  });

  test('S51: num_headers counts every entry, pseudo headers included', () => {
    const fixture = startStream();
    fixture.stream.onRequestHeaders(requestHeaders(['x', '1'], ['x', '2']), true);
    assert.deepEqual(fixture.puppet.trace, ['proxy_on_request_headers(2, 6, 1)']);
  });

  test('S52: changing request headers has the route looked up again, changing response headers has not', () => {
    const fixture = startStream();
    inRequestHeaders(fixture, requestHeaders(), () => fixture.puppet.call(ADD, 0, 'x', 'y'));
    assert.deepEqual(fixture.streamHost.asked, ['clearRouteCache']);
    fixture.puppet.on.proxy_on_response_headers = () => fixture.puppet.call(ADD, 2, 'x', 'y');
    fixture.stream.onResponseHeaders(HeaderList.from({ ':status': '200' }), false);
    assert.deepEqual(fixture.streamHost.asked, ['clearRouteCache']);
  });

  test('get_size is the sum of names and values', () => {
    const fixture = startStream();
    let size = 0;
    inRequestHeaders(fixture, HeaderList.from({ ':path': '/', 'x-a': '123' }), () => {
      fixture.puppet.call('proxy_get_header_map_size', 0, fixture.puppet.slot(0));
      size = fixture.puppet.u32(0);
      return 0;
    });
    assert.equal(size, 5 + 1 + 3 + 3);
  });

  test('a name or value with CR, LF or NUL is BAD_ARGUMENT and changes nothing', () => {
    const fixture = startStream();
    const headers = requestHeaders();
    const seen = new Set<number>();
    inRequestHeaders(fixture, headers, () => {
      for (const bad of ['a\r\nx-injected: 1', 'a\nb', 'a\0b']) {
        seen.add(fixture.puppet.call(ADD, 0, 'x-a', bad));
        seen.add(fixture.puppet.call(REPLACE, 0, 'x-a', bad));
        seen.add(fixture.puppet.call(ADD, 0, bad, 'v'));
      }
      return 0;
    });
    assert.deepEqual([...seen], [Status.BadArgument]);
    assert.equal(headers.count, 4);
  });

  test('the same address with other bytes is another header', () => {
    const fixture = startStream();
    const seen: (string | null)[] = [];
    inRequestHeaders(fixture, requestHeaders(['x-a', '1'], ['x-b', '2']), () => {
      for (const key of ['x-a', 'x-b', 'x-a']) seen.push(fixture.puppet.ask(GET, 0, key).text);
      return 0;
    });
    assert.deepEqual(seen, ['1', '2', '1']);
  });
});
