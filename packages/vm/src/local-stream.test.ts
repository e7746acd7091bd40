import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HeaderList } from './header-list.ts';
import { LocalStream } from './local-stream.ts';
import { requestHeaders, startVm } from './testing/fixture.ts';

function stream(prepare: NonNullable<Parameters<typeof startVm>[0]>['prepare'] = () => {}) {
  const started = startVm({ prepare });
  const root = started.vm.startRoot({ name: 'p', rootId: '', configuration: Buffer.alloc(0) });
  return { ...started, stream: new LocalStream(root) };
}

describe('a stream in memory', () => {
  test('request, response, log, done, delete', () => {
    const { puppet, stream: exchange } = stream();
    puppet.trace.length = 0;
    assert.equal(exchange.request(requestHeaders(), 'body'), 'continue');
    assert.equal(exchange.response(HeaderList.from({ ':status': '200' })), 'continue');
    exchange.end();
    assert.deepEqual(puppet.trace, [
      'proxy_on_request_headers(2, 4, 0)',
      'proxy_on_request_body(2, 4, 1)',
      'proxy_on_response_headers(2, 1, 1)',
      'proxy_on_log(2)',
      'proxy_on_done(2)',
      'proxy_on_delete(2)',
    ]);
  });

  test('what the guest may do with it', () => {
    const outcome = (inside: (call: (name: string, ...args: (number | string)[]) => number) => number) => {
      const { puppet, stream: exchange } = stream();
      puppet.on.proxy_on_request_headers = () => inside((name, ...args) => puppet.call(name, ...args));
      return exchange.request(requestHeaders());
    };
    assert.equal(
      outcome(() => 1),
      'pause',
    );
    assert.equal(
      outcome(call => call('proxy_send_local_response', 403, '', '', '', -1)),
      'answered',
    );
    assert.equal(
      outcome(call => call('proxy_close_stream', 0)),
      'closed',
    );
    assert.equal(
      outcome(() => {
        throw new WebAssembly.RuntimeError('unreachable');
      }),
      'failed',
    );
  });

  test('properties that were set can be read', () => {
    const { puppet, stream: exchange } = stream();
    let seen: unknown;
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_set_property', 'k', 'v');
      seen = puppet.ask('proxy_get_property', 'k');
      return 0;
    };
    exchange.request(requestHeaders());
    assert.deepEqual(seen, { status: 0, text: 'v' });
  });
});
