// Whole plugins as embedders use them: puppet guests for every cell of pause and go on, real ones for the rest.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { CALLBACKS, encodePairs, HOST_CALLS, WASI_FUNCTIONS } from '@dragoman/abi';
import { ModuleBuilder, op, Puppet } from '@dragoman/testkit';
import { StoppedClock } from '../testing/fixture.ts';
import type { VmFailure } from '../vm-host.ts';
import type { LocalExchange } from './local-exchange.ts';
import type { Passage } from './message.ts';
import { Plugin, type PluginOptions } from './plugin.ts';

const GET = { ':method': 'GET', ':path': '/a?b=c', ':authority': 'example.org' };
const POST = { ...GET, ':method': 'POST', 'content-length': '5' };
const OK = { ':status': '200' };

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A plugin whose guest does what the test says. */
async function puppetPlugin(options: PluginOptions = {}) {
  const puppet = new Puppet({ hostCalls: HOST_CALLS, callbacks: CALLBACKS, wasi: WASI_FUNCTIONS });
  const clock = new StoppedClock();
  const failures: VmFailure[] = [];
  const plugin = await Plugin.load(puppet.bytes, {
    imports: puppet.imports as PluginOptions['imports'] & object,
    onFailure: failure => failures.push(failure),
    ...options,
    host: { clock, ...options.host },
  });
  cleanUps.push(() => plugin.close());
  return { puppet, plugin, clock, failures, exchange: plugin.exchange() };
}

const trap = (): never => {
  throw new WebAssembly.RuntimeError('unreachable');
};

function continued(passage: Passage) {
  assert.equal(passage.outcome, 'continue');
  const { headers, body, trailers } = passage as Extract<Passage, { outcome: 'continue' }>;
  return {
    headers: headers && Object.fromEntries(headers),
    body: Buffer.from(body).toString(),
    trailers: trailers && Object.fromEntries(trailers),
  };
}

function answered(passage: Passage) {
  assert.equal(passage.outcome, 'answer');
  const { answer } = passage as Extract<Passage, { outcome: 'answer' }>;
  return {
    ...answer,
    headers: Object.fromEntries(answer.headers),
    body: Buffer.from(answer.body).toString(),
  };
}

/** True when `promise` is still open after everything at hand has run. */
async function pending(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise, new Promise(resolve => setImmediate(resolve, 'open'))])) === 'open';
}

const body = (
  exchange: LocalExchange,
  text: string,
  endOfStream: boolean,
  side: 'request' | 'response' = 'request',
) => exchange.pass({ side, body: Buffer.from(text), endOfStream });
const head = (exchange: LocalExchange, headers: Record<string, string> = POST) =>
  exchange.pass({ side: 'request', headers: Object.entries(headers), endOfStream: false });

async function listen(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('an exchange', () => {
  test('passes a whole request and response, changed by the guest, and ends with log, done and delete', async () => {
    const { puppet, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = () => puppet.call('proxy_add_header_map_value', 0, 'x-a', '1');
    puppet.on.proxy_on_response_body = () => puppet.call('proxy_set_buffer_bytes', 1, 0, 99, 'changed');
    assert.deepEqual(continued(await exchange.request({ headers: GET })), {
      headers: { ...GET, 'x-a': '1' },
      body: '',
      trailers: null,
    });
    const response = await exchange.response({ headers: { ...OK, 'content-length': '5' }, body: 'hello' });
    assert.deepEqual(continued(response), {
      headers: { ...OK, 'content-length': '7' },
      body: 'changed',
      trailers: null,
    });
    puppet.trace.length = 0;
    exchange.end();
    exchange.end();
    assert.deepEqual(puppet.trace, ['proxy_on_log(2)', 'proxy_on_done(2)', 'proxy_on_delete(2)']);
  });

  test('waits while headers are paused, and does not show the body before', async () => {
    const { puppet, plugin, exchange, clock } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_set_tick_period_milliseconds', 10);
      return 1;
    };
    puppet.on.proxy_on_tick = () => {
      puppet.call('proxy_set_effective_context', 2);
      return puppet.call('proxy_continue_stream', 0);
    };
    const passing = exchange.request({ headers: POST, body: 'hello' });
    assert.equal(await pending(passing), true);
    assert.equal(
      puppet.trace.some(line => line.startsWith('proxy_on_request_body')),
      false,
    );
    clock.advance(10);
    assert.equal(continued(await passing).body, 'hello');
    assert.equal(plugin.alive, true);
  });

  test('a continue inside the callback that pauses counts', async () => {
    const { puppet, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_continue_stream', 0);
      return 1;
    };
    assert.equal((await exchange.request({ headers: GET })).outcome, 'continue');
  });

  test('StopIteration holds the headers until the body is let go', async () => {
    const { puppet, exchange } = await puppetPlugin({ allowOnHeadersStopIteration: true });
    puppet.on.proxy_on_request_headers = () => 1;
    puppet.on.proxy_on_request_body = (_id, _size, end) => (end === 1 ? 0 : 1);
    assert.deepEqual(continued(await head(exchange)), { headers: null, body: '', trailers: null });
    assert.deepEqual(continued(await body(exchange, 'he', false)), {
      headers: null,
      body: '',
      trailers: null,
    });
    const last = continued(await body(exchange, 'llo', true));
    assert.deepEqual([last.headers, last.body], [POST, 'hello']);
  });

  test('a body that is buffered is shown whole; one that is not goes on piece by piece without a length', async () => {
    const { puppet, exchange } = await puppetPlugin();
    assert.equal(continued(await head(exchange)).headers?.['content-length'], undefined);
    assert.equal(continued(await body(exchange, 'a', false)).body, 'a');
    puppet.on.proxy_on_request_body = (_id, _size, end) => 1 - end;
    assert.equal(continued(await body(exchange, 'b', false)).body, '');
    puppet.trace.length = 0;
    assert.equal(continued(await body(exchange, 'c', true)).body, 'bc');
    assert.deepEqual(puppet.trace, ['proxy_on_request_body(2, 2, 1)']);
  });

  test('what the guest lets go between two pieces comes with the next one', async () => {
    const { puppet, exchange, clock } = await puppetPlugin();
    await head(exchange);
    puppet.on.proxy_on_request_body = () => {
      puppet.call('proxy_set_tick_period_milliseconds', 10);
      return 1;
    };
    puppet.on.proxy_on_tick = () => {
      puppet.call('proxy_set_effective_context', 2);
      return puppet.call('proxy_continue_stream', 0);
    };
    assert.equal(continued(await body(exchange, 'held', false)).body, '');
    clock.advance(10);
    puppet.on.proxy_on_request_body = () => 0;
    assert.equal(continued(await body(exchange, ' and more', false)).body, 'held and more');
  });

  test('trailers are shown, changed, and made by the last body callback', async () => {
    const { puppet, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_trailers = () => puppet.call('proxy_add_header_map_value', 1, 'x-b', '2');
    const trailers = [['x-a', '1']] as const;
    const request = await exchange.request({ headers: POST, body: 'hello', trailers });
    assert.deepEqual(continued(request).trailers, { 'x-a': '1', 'x-b': '2' });
    puppet.on.proxy_on_response_body = () => puppet.call('proxy_add_header_map_value', 3, 'x-c', '3');
    const response = await exchange.response({ headers: OK, body: 'hello' });
    assert.deepEqual(continued(response).trailers, { 'x-c': '3' });
  });

  test('more body than the guest may hold back is answered: 413, or 500 for a response', async () => {
    const { puppet, plugin } = await puppetPlugin({ bufferLimitBytes: 4 });
    puppet.on.proxy_on_request_body = puppet.on.proxy_on_response_body = (_id, _size, end) => 1 - end;
    const first = plugin.exchange();
    await head(first);
    await body(first, '1234', false);
    assert.equal(answered(await body(first, '5', true)).status, 413);
    const second = plugin.exchange();
    await second.request({ headers: GET });
    await second.pass({ side: 'response', headers: Object.entries(OK), endOfStream: false });
    await body(second, '1234', false, 'response');
    assert.equal(answered(await body(second, '5', true, 'response')).details, 'response_payload_too_large');
  });

  test('the guest answers: its response callbacks see the answer, and every further piece gets it', async () => {
    const { puppet, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = () => {
      const headers = Buffer.from(encodePairs(['x-why', 'because']));
      puppet.call('proxy_send_local_response', 403, 'no entry', 'denied', headers, -1);
      return 1;
    };
    puppet.on.proxy_on_response_headers = () => puppet.call('proxy_add_header_map_value', 2, 'x-seen', '1');
    const passage = await exchange.request({ headers: POST, body: 'hello' });
    assert.deepEqual(answered(passage), {
      status: 403,
      headers: { 'content-length': '6', 'content-type': 'text/plain', 'x-why': 'because', 'x-seen': '1' },
      body: 'denied',
      details: 'no_entry',
      grpcStatus: -1,
    });
    assert.equal(await exchange.response({ headers: OK }), passage);
  });

  test('a stream that the guest closes, and one that is ended while it waits', async () => {
    const { puppet, plugin, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_close_stream', 0);
      return 1;
    };
    assert.equal((await exchange.request({ headers: GET })).outcome, 'close');
    puppet.on.proxy_on_request_headers = () => 1;
    const waiting = plugin.exchange();
    const passing = waiting.request({ headers: GET });
    assert.equal(await pending(passing), true);
    waiting.end();
    assert.equal((await passing).outcome, 'close');
  });

  test('a pause ends with 504 after its limit', async () => {
    const { puppet, exchange, clock } = await puppetPlugin({ pauseLimitMs: 1000 });
    puppet.on.proxy_on_request_headers = () => 1;
    const passing = exchange.request({ headers: GET });
    assert.equal(await pending(passing), true);
    clock.advance(1000);
    const { status, details } = answered(await passing);
    assert.deepEqual([status, details], [504, 'plugin_pause_limit']);
    assert.equal(clock.timerCount, 0);
  });

  test('attributes: from the headers, as given, and as the guest has set them', async () => {
    const { puppet, plugin } = await puppetPlugin();
    const seen: (string | null)[] = [];
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_set_property', 'mine', 'value');
      for (const path of [
        'request\0url_path',
        'request\0query',
        'request\0headers\0X-A',
        'source\0address',
        'mine',
      ])
        seen.push(puppet.ask('proxy_get_property', path).text);
      assert.equal(puppet.ask('proxy_get_property', 'source\0port').status, 0);
      seen.push(String(puppet.memory.readBigInt64LE(puppet.u32(0))));
      return 0;
    };
    const exchange = plugin.exchange({ attributes: { 'source.address': '10.0.0.1:5', 'source.port': 5 } });
    await exchange.request({ headers: { ...GET, 'x-a': 'b' } });
    assert.deepEqual(seen, ['/a', 'b=c', 'b', '10.0.0.1:5', 'value', '5']);
  });
});

describe('a plugin that dies', () => {
  test('reload: the one request is answered 503, the next one runs on a fresh instance', async () => {
    const { puppet, plugin, failures, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = trap;
    assert.equal(answered(await exchange.request({ headers: GET })).details, 'wasm_fail_stream');
    exchange.end();
    assert.deepEqual(
      failures.map(({ cause, callback }) => [cause, callback]),
      [['trap', 'proxy_on_request_headers']],
    );
    puppet.on.proxy_on_request_headers = () => 0;
    assert.equal((await plugin.exchange().request({ headers: GET })).outcome, 'continue');
    assert.equal(plugin.restarts, 1);
  });

  test('reload: an exchange that waits for the dead one is answered', async () => {
    const { puppet, plugin, exchange } = await puppetPlugin();
    puppet.on.proxy_on_request_headers = () => 1;
    const waiting = exchange.request({ headers: GET });
    assert.equal(await pending(waiting), true);
    puppet.on.proxy_on_request_headers = trap;
    await plugin.exchange().request({ headers: GET });
    assert.equal(answered(await waiting).status, 503);
  });

  test('open: the request passes unchanged, also the body after it; a changed one is answered 503', async () => {
    const { puppet, plugin, exchange } = await puppetPlugin({ failurePolicy: 'open' });
    puppet.on.proxy_on_request_headers = trap;
    const passed = continued(await exchange.request({ headers: POST, body: 'hello' }));
    assert.deepEqual([passed.headers, passed.body], [POST, 'hello']);
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_add_header_map_value', 0, 'x-a', '1');
      return trap();
    };
    assert.equal(answered(await plugin.exchange().request({ headers: GET })).status, 503);
  });

  test('closed: everything is answered 503 from then on', async () => {
    const { puppet, plugin, exchange, clock } = await puppetPlugin({ failurePolicy: 'closed' });
    puppet.on.proxy_on_request_headers = trap;
    await exchange.request({ headers: GET });
    clock.advance(100_000);
    assert.equal(answered(await plugin.exchange().request({ headers: GET })).status, 503);
    assert.deepEqual([plugin.alive, plugin.restarts], [false, 0]);
  });

  test('one that does not start again is tried after a growing wait', async () => {
    const log: string[] = [];
    const options: PluginOptions = { log: (_level, line) => log.push(line) };
    const { puppet, plugin, exchange, clock } = await puppetPlugin(options);
    puppet.on.proxy_on_request_headers = trap;
    puppet.on.proxy_on_configure = () => 0;
    await exchange.request({ headers: GET });
    clock.advance(2999);
    assert.equal(log.filter(line => line.includes('next try in')).length, 2);
    puppet.on.proxy_on_configure = () => 1;
    clock.advance(1);
    assert.equal(plugin.alive, true);
  });

  test('an endless loop is stopped by the watchdog that is there by default', async () => {
    const module = new ModuleBuilder();
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(1024), 'malloc');
    module.function('iii>i', [...op.forever, ...op.i32(0)], 'proxy_on_request_headers');
    module.memory({ minimum: 1 });
    const failures: VmFailure[] = [];
    const plugin = await Plugin.load(module.build(), { onFailure: failure => failures.push(failure) });
    cleanUps.push(() => plugin.close());
    const { status } = answered(await plugin.exchange().request({ headers: GET }));
    assert.deepEqual([status, failures[0]?.cause], [503, 'deadline']);
  });

  test('a module that does not start is refused with its reason', async () => {
    const puppet = new Puppet({ hostCalls: HOST_CALLS, callbacks: CALLBACKS });
    puppet.on.proxy_on_configure = () => 0;
    await assert.rejects(Plugin.load(puppet.bytes, { name: 'p', imports: puppet.imports as never }), {
      code: 'ERR_DRAGOMAN_WASM_START',
      message: 'plugin p (root id ""): proxy_on_configure returned false',
    });
  });
});

describe('call-outs', () => {
  const call = (puppet: Puppet, cluster: string, headers: string[], content = '', timeoutMs = 5000) => {
    const [pairs, trailers] = [Buffer.from(encodePairs(headers)), ''];
    return puppet.call('proxy_http_call', cluster, pairs, content, trailers, timeoutMs, puppet.slot(4));
  };
  const head = [':method', 'POST', ':path', '/check?x=1', ':authority', 'auth.local', 'X-Token', 'a'];

  test('a paused request goes on with what the cluster has answered', async () => {
    let seen = '';
    const address = await listen(async (request, response) => {
      const chunks = await request.toArray();
      const { host, 'x-token': token } = request.headers;
      seen = `${request.method} ${request.url} ${host} ${token} ${request.headers['content-length']} ${Buffer.concat(chunks)}`;
      response.writeHead(201, { 'x-user': 'me' }).end('welcome');
    });
    const { puppet, exchange } = await puppetPlugin({ clusters: { auth: address } });
    puppet.on.proxy_on_request_headers = () => (call(puppet, 'auth', head, 'question') === 0 ? 1 : 0);
    puppet.on.proxy_on_http_call_response = (_root, _token, headers, size) => {
      const status = puppet.ask('proxy_get_header_map_value', 6, ':status').text!;
      const user = puppet.ask('proxy_get_header_map_value', 6, 'x-user').text!;
      const text = puppet.ask('proxy_get_buffer_bytes', 4, 0, size).text!;
      assert.ok(headers > 2);
      puppet.call('proxy_set_effective_context', 2);
      puppet.call('proxy_add_header_map_value', 0, 'x-auth', `${status} ${user} ${text}`);
      return puppet.call('proxy_continue_stream', 0);
    };
    const passage = continued(await exchange.request({ headers: GET }));
    assert.equal(seen, 'POST /check?x=1 auth.local a 8 question');
    assert.equal(passage.headers?.['x-auth'], '201 me welcome');
  });

  test('nobody there is 503, too late is 504, cut off is a failure, an unknown cluster is refused', async () => {
    const silent = await listen(() => {});
    const cut = await listen((_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half');
      setImmediate(() => response.destroy());
    });
    const clusters = { nobody: 'http://127.0.0.1:1', silent, cut };
    const { puppet, exchange } = await puppetPlugin({ clusters });
    for (const [cluster, expected] of [
      ['nobody', '503'],
      ['silent', '504'],
      ['cut', null],
    ] as const) {
      const { promise, resolve } = Promise.withResolvers<string | null>();
      puppet.on.proxy_on_http_call_response = () => {
        resolve(puppet.ask('proxy_get_header_map_value', 6, ':status').text);
        return 0;
      };
      puppet.on.proxy_on_request_headers = () => {
        assert.equal(call(puppet, cluster, head, '', 50), 0);
        return 0;
      };
      puppet.on.proxy_on_request_body = puppet.on.proxy_on_request_headers;
      await exchange.request({ headers: GET });
      assert.equal(await promise, expected, cluster);
    }
    puppet.on.proxy_on_response_headers = () => {
      assert.equal(call(puppet, 'unknown', head), 2);
      return 0;
    };
    await exchange.response({ headers: OK });
  });

  test('an address that is none is refused with the name of the cluster', async () => {
    await assert.rejects(
      puppetPlugin({ clusters: { auth: 'localhost:80' } }),
      /cluster auth: expected an address/,
    );
  });
});

test('a real Go plugin: fetches its token on a tick, adds it to responses, defines no metrics', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const address = await listen((_request, response) => {
    response.writeHead(200, { authorization: 'token-1' }).end();
    setImmediate(resolve);
  });
  const file = join(import.meta.dirname, '../../../../examples/plugins/go-header/go-header.wasm');
  const plugin = await Plugin.load(await readFile(file), {
    name: 'go',
    configuration: '{"tick_ms":1,"cluster":"auth"}',
    clusters: { auth: address },
  });
  cleanUps.push(() => plugin.close());
  await promise;
  for (let tries = 0; ; tries++) {
    const exchange = plugin.exchange();
    await exchange.request({ headers: GET });
    const { headers } = continued(await exchange.response({ headers: OK }));
    exchange.end();
    assert.equal(headers?.['x-wasm-filter'], 'hello from wasm');
    if (headers['x-auth'] === 'token-1') break;
    assert.ok(tries < 100, 'the token did not arrive');
    await new Promise(resolve => setImmediate(resolve));
  }
  assert.deepEqual(plugin.metrics, []);
  assert.ok(plugin.memoryBytes > 65_536);
});
