import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePairs, Status } from '@dragoman/abi';
import { HeaderList } from '../header-list.ts';
import { MemoryBody } from '../memory-body.ts';
import { inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';

const CONTINUE = 'proxy_continue_stream';
const CLOSE = 'proxy_close_stream';
const RESPOND = 'proxy_send_local_response';

describe('stream control', () => {
  for (const [returned, allow, expected] of [
    [0, false, 0],
    [1, false, 4],
    [1, true, 1],
    [2, false, 0],
    [3, false, 3],
    [4, false, 4],
    [5, false, 4],
    [99, false, 4],
    [-1, false, 4],
  ] as const) {
    test(`S64: request headers returning ${returned} (allow_on_headers_stop_iteration ${allow}) is status ${expected}`, () => {
      const fixture = startStream({ root: { allowOnHeadersStopIteration: allow } });
      assert.equal(
        inRequestHeaders(fixture, requestHeaders(), () => returned),
        expected,
      );
    });
  }

  test('S64: body 4 and more stop without buffering, trailers 2 and more stop', () => {
    const fixture = startStream();
    const seen: number[] = [];
    for (const returned of [0, 1, 2, 3, 4, 99]) {
      fixture.puppet.on.proxy_on_request_body = fixture.puppet.on.proxy_on_request_trailers = () => returned;
      seen.push(fixture.stream.onRequestBody(new MemoryBody(), false));
      seen.push(fixture.stream.onRequestTrailers(new HeaderList()));
    }
    assert.deepEqual(seen, [0, 0, 1, 1, 2, 1, 3, 1, 3, 1, 3, 1]);
  });

  test('S65: a local response overrides a returned Continue, and is sent once the guest has returned', () => {
    const fixture = startStream();
    let sentInside = true;
    const status = inRequestHeaders(fixture, requestHeaders(), () => {
      fixture.puppet.call(RESPOND, 403, 'some details', 'body', encodePairs(['X-A', '1', 'x-a', '2']), 7);
      sentInside = fixture.streamHost.response !== null;
      return 0;
    });
    assert.equal(status, 4);
    assert.equal(sentInside, false);
    assert.deepEqual(fixture.streamHost.response, {
      status: 403,
      details: 'some_details',
      body: Buffer.from('body'),
      headers: ['x-a', '1', 'x-a', '2'],
      grpcStatus: 7,
    });
  });

  test('S65: the override is 3 for bodies, 1 for trailers, and gone in the next callback', () => {
    const fixture = startStream();
    const { puppet, stream } = fixture;
    const respond = () => {
      puppet.call(RESPOND, 403, '', '', '', -1);
      return 0;
    };
    puppet.on.proxy_on_request_body = puppet.on.proxy_on_request_trailers = respond;
    assert.equal(stream.onRequestBody(new MemoryBody(), false), 3);
    assert.equal(stream.onRequestTrailers(new HeaderList()), 1);
    puppet.on.proxy_on_request_body = () => 0;
    assert.equal(stream.onRequestBody(new MemoryBody(), false), 0);
  });

  test('S68: a gRPC status out of 0 to 16 is none', () => {
    const seen: (number | undefined)[] = [];
    for (const grpcStatus of [-1, 0, 16, 17]) {
      const fixture = startStream();
      inRequestHeaders(fixture, requestHeaders(), () =>
        fixture.puppet.call(RESPOND, 200, '', '', '', grpcStatus),
      );
      seen.push(fixture.streamHost.response?.grpcStatus);
    }
    assert.deepEqual(seen, [-1, 0, 16, -1]);
  });

  test('S69: a local response on a root is OK and has no effect', () => {
    const fixture = startStream();
    let status = -1;
    fixture.puppet.on.proxy_on_tick = () => {
      status = fixture.puppet.call(RESPOND, 403, '', '', '', -1);
      return 0;
    };
    fixture.root.setTickPeriod(1);
    fixture.clock.advance(1);
    assert.equal(status, Status.Ok);
    assert.deepEqual(fixture.streamHost.asked, []);
  });

  test('S32: a local response with a bad pointer sends nothing and does not stop the stream', () => {
    const fixture = startStream();
    const seen: number[] = [];
    const status = inRequestHeaders(fixture, requestHeaders(), () => {
      const { puppet } = fixture;
      seen.push(
        puppet.call(RESPOND, 418, '', -16, 32, '', -1),
        puppet.call(RESPOND, 418, '', '', -16, 32, -1),
      );
      seen.push(puppet.call(RESPOND, 418, -16, 32, '', '', -1));
      return 0;
    });
    assert.deepEqual(seen, [6, 6, 6]);
    assert.equal(status, 0);
    assert.deepEqual(fixture.streamHost.asked, []);
  });

  test('S70: continue_stream 3 is UNIMPLEMENTED, 4 and close_stream 4 are BAD_ARGUMENT', () => {
    const fixture = startStream();
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      for (const type of [3, 4, -1]) seen.push(fixture.puppet.call(CONTINUE, type));
      for (const type of [4, -1]) seen.push(fixture.puppet.call(CLOSE, type));
      return 0;
    });
    assert.deepEqual(seen, [12, 2, 2, 2, 2]);
  });

  test('S71: continuing and closing happen in order once the guest has returned', () => {
    const fixture = startStream();
    const { puppet, streamHost } = fixture;
    streamHost.probe = asked =>
      streamHost.asked.push(`${asked} while the guest is running: ${fixture.vm.running}`);
    inRequestHeaders(fixture, requestHeaders(), () => {
      puppet.call(CONTINUE, 0);
      puppet.call(CONTINUE, 1);
      puppet.call(CLOSE, 0);
      return 1;
    });
    assert.deepEqual(
      streamHost.asked.filter(asked => asked.includes(':')),
      ['continueRequest', 'continueResponse', 'closeStream 0'].map(
        asked => `${asked} while the guest is running: false`,
      ),
    );
  });

  test('S72: continue_stream(2) goes on with a connection, and leaves what an HTTP stream can reach', () => {
    const fixture = startStream();
    const { puppet, streamHost } = fixture;
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(puppet.call('proxy_continue_stream', 2), [...streamHost.asked]);
      seen.push(puppet.ask('proxy_get_header_map_value', 0, ':path').text);
      return 0;
    });
    assert.deepEqual(seen, [Status.Ok, [], '/path?q=1']);
    assert.deepEqual(streamHost.asked, ['continueDownstream']);
  });

  test('S7: the 0.1.0 calls continue_request, continue_response and clear_route_cache', () => {
    const fixture = startStream({ markers: ['proxy_abi_version_0_1_0'] });
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      for (const name of ['proxy_clear_route_cache', 'proxy_continue_request', 'proxy_continue_response']) {
        seen.push(fixture.puppet.call(name));
      }
      return 0;
    });
    assert.deepEqual(seen, [0, 0, 0]);
    assert.deepEqual(fixture.streamHost.asked, ['clearRouteCache', 'continueRequest', 'continueResponse']);
  });

  test('S47: continue_stream takes the request headers out of reach in the same call', () => {
    const fixture = startStream();
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      fixture.puppet.call(CONTINUE, 0);
      status = fixture.puppet.ask('proxy_get_header_map_value', 0, ':path').status;
      return 1;
    });
    assert.equal(status, Status.BadArgument);
  });

  test('S109: an unknown effective context is BAD_ARGUMENT; a known one lasts until the callback ends', () => {
    const fixture = startStream();
    const { puppet, root, stream } = fixture;
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(puppet.call('proxy_set_effective_context', 999));
      seen.push(puppet.call('proxy_set_effective_context', root.id));
      seen.push(puppet.ask('proxy_get_header_map_value', 0, ':path').status);
      seen.push(puppet.call('proxy_set_effective_context', 0));
      seen.push(puppet.ask('proxy_get_header_map_value', 0, ':path').status);
      puppet.call('proxy_set_effective_context', root.id);
      return 1;
    });
    puppet.on.proxy_on_response_headers = () => {
      seen.push(puppet.ask('proxy_get_header_map_value', 2, ':status').text);
      return 0;
    };
    stream.onResponseHeaders(HeaderList.from({ ':status': '200' }), true);
    assert.deepEqual(seen, [2, 0, 2, 0, 0, '200']);
  });

  test('S27: proxy_done with nothing pending is NOT_FOUND', () => {
    const fixture = startStream();
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      status = fixture.puppet.call('proxy_done');
      return 0;
    });
    assert.equal(status, Status.NotFound);
  });

  test('what was asked for a stream that is gone reaches no other stream of the same object', () => {
    const fixture = startStream();
    const { puppet, stream, root, vm } = fixture;
    const next = { ...fixture.streamHost, asked: [] as string[] };
    puppet.on.proxy_on_request_headers = () => {
      puppet.call(CLOSE, 0);
      puppet.call(CONTINUE, 1);
      return 0;
    };
    fixture.streamHost.probe = asked => {
      if (asked !== 'closeStream 0') return;
      stream.end();
      stream.begin(root, next as never);
    };
    stream.onRequestHeaders(requestHeaders(), true);
    assert.deepEqual(fixture.streamHost.asked, ['closeStream 0']);
    assert.deepEqual(next.asked, []);
    assert.equal(vm.failure, null);
  });
});
