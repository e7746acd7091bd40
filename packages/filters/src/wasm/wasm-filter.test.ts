import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CALLBACKS, encodePairs, HOST_CALLS, Status } from '@dragoman/abi';
import { Timers } from '@dragoman/base';
import { BodyBuffer, HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type AsyncRequest,
  type AsyncResponse,
  type FilterContext,
  type Stream,
  StreamInfo,
} from '@dragoman/proxy';
import { StatLane, StatTable } from '@dragoman/shm';
import { Puppet, StoppedClock } from '@dragoman/testkit';
import { compileModuleSync } from '@dragoman/vm';
import type { CompiledCode } from './attachments.ts';
import { WasmFilterInstance } from './filter-type.ts';
import { readPluginLimits } from './plugin-limits.ts';
import {
  type FailurePolicy,
  type PluginSettings,
  readPluginConfig,
  type WasmPluginConfig,
} from './plugin-settings.ts';
import { PluginVms } from './plugin-vms.ts';
import type { WasmFilter } from './wasm-filter.ts';

/** A stream as far as the filter looks at it; it holds back nothing by itself. */
class FakeStream {
  readonly info = new StreamInfo();
  readonly asked: string[] = [];
  readonly decode = { aborted: false };
  readonly encode = { aborted: false };
  readonly connection = {
    remoteAddress: '10.0.0.1',
    remotePort: 5000,
    localAddress: '::1',
    localPort: 80,
    id: 7,
    tls: null,
    requestedServerName: 'sni',
  };
  requestHeaders: RequestHeaders;
  responseHeaders: ResponseHeaders | null = null;
  requestTrailers: HeaderMap | null = null;
  responseTrailers: HeaderMap | null = null;
  decodingBuffer: BodyBuffer | null = null;
  encodingBuffer: BodyBuffer | null = null;
  onLocalReply: () => void = () => {};

  constructor(headers: RequestHeaders) {
    this.requestHeaders = headers;
    this.info.reset(1_700_000_000_000, 0);
    this.info.protocol = 'HTTP/1.1';
    this.info.connection = this.connection;
  }

  get asStream(): Stream {
    return this as unknown as Stream;
  }
  getRoute() {
    return {
      name: 'the-route',
      cluster: 'app',
      metadata: undefined,
      virtualHost: { name: 'all', metadata: undefined },
    };
  }
  clearRouteCache(): void {}
  continueDecoding(): void {
    this.asked.push('continueDecoding');
  }
  continueEncoding(): void {
    this.asked.push('continueEncoding');
  }
  resetStream(): void {
    this.asked.push(`reset ${this.info.responseCodeDetails}`);
  }
  addDecodedData(_filter: unknown, bytes: Buffer): void {
    this.decodingBuffer ??= new BodyBuffer();
    this.decodingBuffer.appendCopy(bytes);
  }
  addEncodedData(_filter: unknown, bytes: Buffer): void {
    this.encodingBuffer ??= new BodyBuffer();
    this.encodingBuffer.appendCopy(bytes);
  }
  sendLocalReply(
    status: number,
    body: string | Buffer,
    details: string,
    headers: unknown,
    grpcStatus?: number,
  ): void {
    this.asked.push(`reply ${status} "${body}" ${details} ${JSON.stringify(headers)} ${grpcStatus}`);
    this.decode.aborted = true;
    this.onLocalReply();
  }
}

interface SentCall {
  readonly cluster: string;
  readonly request: AsyncRequest;
  readonly done: (response: AsyncResponse) => void;
}

/** One plugin on one worker, its guest a puppet. */
function pluginOnWorker(config: Partial<WasmPluginConfig> & { policy?: FailurePolicy } = {}) {
  const puppet = new Puppet({ hostCalls: HOST_CALLS, callbacks: CALLBACKS });
  const clock = new StoppedClock();
  const memory = StatLane.create();
  const table = new StatTable();
  table.addLane(memory);
  const lane = new StatLane(memory);
  const log: string[] = [];
  const calls: SentCall[] = [];
  const asyncClient = {
    send(cluster: string, request: AsyncRequest, done: SentCall['done']) {
      if (cluster !== 'auth') return null;
      calls.push({ cluster, request, done });
      return { cancel: () => {}, hasHost: true };
    },
  };
  const logger = {
    enabled: () => true,
    log: (level: string, component: string, line: string) => log.push(`${level} ${component} ${line}`),
  };
  const vms = new PluginVms({ clock, lane, logger: logger as never, asyncClient: asyncClient as never });
  const read = readPluginConfig(
    {
      name: 'plugin',
      rootId: 'root',
      failOpen: false,
      vmConfig: {
        vmId: 'vm',
        runtime: '',
        code: { local: { inlineString: '' } },
        allowPrecompiled: false,
        nackOnCodeCacheMiss: false,
      },
      ...config,
    } as WasmPluginConfig,
    readPluginLimits(undefined)('plugin'),
  );
  const imports = puppet.imports as never;
  const settings: PluginSettings = {
    ...read,
    ...(config.policy && { failurePolicy: config.policy }),
    vm: { ...read.vm, imports },
  };
  const code: CompiledCode = { ...compileModuleSync(puppet.bytes), sha256: 'abc' };
  const context = {
    listener: { name: 'main', direction: 'INBOUND' },
    timers: new Timers(clock),
    clusters: new Map([['app', { name: 'app', metadata: undefined, hosts: [] }]]),
  } as unknown as FilterContext;
  const start = (more: Partial<PluginSettings> = {}) =>
    new WasmFilterInstance(
      vms.start({ ...settings, ...more }, code, () => undefined),
      context,
      undefined,
    );
  const request = (instance: WasmFilterInstance, headers: Record<string, string> = {}) => {
    const map = RequestHeaders.fromPairs([
      ':method',
      'GET',
      ':path',
      '/path?q=1',
      ':authority',
      'proxy.test',
      ...Object.entries(headers).flat(),
    ]);
    const stream = new FakeStream(map);
    return { stream, filter: instance.createFilter(stream.asStream) as WasmFilter };
  };
  return { puppet, clock, table, lane, log, calls, vms, settings, start, request };
}

const response = (status = 200) =>
  ResponseHeaders.fromPairs([':status', String(status), 'content-type', 'text/plain']);
const trap = () => {
  throw new WebAssembly.RuntimeError('unreachable');
};
const frame = (text: string) => ({ bytes: Buffer.from(text) });
/** Lets the setImmediate callbacks run that are due. */
const immediates = () => new Promise(resolve => setImmediate(resolve));

describe('a plugin on a stream', () => {
  test('S22, S23: create, headers both ways, log, done, delete', () => {
    const { puppet, start, request } = pluginOnWorker();
    const instance = start();
    const { stream, filter } = request(instance);
    puppet.trace.length = 0;
    puppet.on.proxy_on_request_headers = () => puppet.call('proxy_add_header_map_value', 0, 'X-A', '1');
    puppet.on.proxy_on_response_headers = () => puppet.call('proxy_add_header_map_value', 2, 'X-B', '2');
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, true), 0);
    stream.responseHeaders = response();
    assert.equal(filter.encodeHeaders(stream.asStream, stream.responseHeaders, false), 0);
    filter.onLog(stream.asStream);
    filter.onDestroy();
    assert.deepEqual([stream.requestHeaders.get('x-a'), stream.responseHeaders.get('x-b')], ['1', '2']);
    assert.deepEqual(
      puppet.trace.map(line => line.replace(/\(.*/, '')),
      [
        'proxy_on_context_create',
        'proxy_on_request_headers',
        'proxy_on_response_headers',
        'proxy_on_log',
        'proxy_on_done',
        'proxy_on_delete',
      ],
    );
    assert.equal(instance.createFilter(stream.asStream), filter, 'the filter object is used again');
  });

  test('S28: a stream answered before it came here is announced for its log only', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    puppet.trace.length = 0;
    assert.equal(filter.encodeHeaders(stream.asStream, response(), true), 0);
    filter.onLog(stream.asStream);
    filter.onDestroy();
    assert.deepEqual(
      puppet.trace.map(line => line.replace(/\(.*/, '')),
      ['proxy_on_context_create', 'proxy_on_log', 'proxy_on_done', 'proxy_on_delete'],
    );
  });

  test('S57: a paused body shows the sum, and what it becomes goes on', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, false);
    const sizes: number[] = [];
    puppet.on.proxy_on_request_body = (_id, size, end) => {
      sizes.push(size!);
      if (!end) return 1;
      return puppet.call('proxy_set_buffer_bytes', 0, 0, 0, 'checked:');
    };
    const first = frame('hello ');
    assert.equal(filter.decodeData(stream.asStream, first, false), 1);
    // What the chain does with a frame that is to be buffered.
    stream.addDecodedData(filter, first.bytes);
    const last = frame('world');
    assert.equal(filter.decodeData(stream.asStream, last, true), 0);
    assert.deepEqual(sizes, [6, 11]);
    assert.equal(last.bytes.length, 0);
    assert.equal(stream.decodingBuffer?.toBuffer().toString(), 'checked:hello world');
  });

  test('S54: a body that is not paused is changed in its frame', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, false);
    puppet.on.proxy_on_request_body = () => puppet.call('proxy_set_buffer_bytes', 0, 0, 5, 'HELLO');
    const data = frame('hello world');
    assert.equal(filter.decodeData(stream.asStream, data, true), 0);
    assert.equal(data.bytes.toString(), 'HELLO world');
  });

  test('S62: the guest is not called for a piece that went over the limit', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, false);
    puppet.on.proxy_on_request_body = () => 1;
    filter.decodeData(stream.asStream, frame('a'), false);
    stream.addDecodedData = () => {
      stream.decode.aborted = true;
    };
    puppet.trace.length = 0;
    assert.equal(filter.decodeData(stream.asStream, frame('b'), false), 3);
    assert.deepEqual(puppet.trace, []);
  });

  test('continuing inside the callback that pauses means not to pause', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_continue_stream', 0);
      return 1;
    };
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, true), 0);
    assert.deepEqual(stream.asked, []);
  });

  test('S58: a paused request goes on when a call-out answers and the guest says so', () => {
    const { puppet, calls, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    const headers = encodePairs([':method', 'GET', ':path', '/check', ':authority', 'auth']);
    let id = 0;
    puppet.on.proxy_on_request_headers = context => {
      id = context!;
      assert.equal(
        puppet.call('proxy_http_call', 'auth', headers, 'body', '', 100, puppet.slot(0)),
        Status.Ok,
      );
      return 1;
    };
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, true), 4);
    assert.deepEqual(
      [calls[0]?.request.headers.path, String(calls[0]?.request.body), calls[0]?.request.timeoutMs],
      ['/check', 'body', 100],
    );
    puppet.on.proxy_on_http_call_response = () => {
      puppet.call('proxy_set_effective_context', id);
      puppet.call(
        'proxy_add_header_map_value',
        0,
        'x-verdict',
        puppet.ask('proxy_get_header_map_value', 6, ':status').text ?? '',
      );
      return puppet.call('proxy_continue_stream', 0);
    };
    calls[0]?.done({ headers: response(204), body: Buffer.alloc(0), trailers: null, local: false });
    assert.deepEqual(stream.asked, ['continueDecoding']);
    assert.equal(stream.requestHeaders.get('x-verdict'), '204');
  });

  test('a call-out has the trailers it was given, unless they may not go on the wire', () => {
    const { puppet, calls, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    const pairs = encodePairs([':method', 'POST', ':path', '/', ':authority', 'auth']);
    const seen: number[] = [];
    puppet.on.proxy_on_request_headers = () => {
      for (const trailers of [['X-Sum', '1'], [], ['x', 'a\nb']])
        seen.push(puppet.call('proxy_http_call', 'auth', pairs, 'body', encodePairs(trailers), 0, 16));
      return 0;
    };
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.deepEqual(seen, [0, 0, Status.BadArgument]);
    assert.deepEqual(calls[0]?.request.trailers?.toPairs(), ['x-sum', '1']);
    assert.equal(calls[1]?.request.trailers, null);
  });

  test('S73: a call-out with a header that may not go on the wire, or to no cluster, is BAD_ARGUMENT', () => {
    const { puppet, calls, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    const pairs = [':method', 'GET', ':path', '/', ':authority', 'auth'];
    const seen: number[] = [];
    puppet.on.proxy_on_request_headers = () => {
      seen.push(puppet.call('proxy_http_call', 'nowhere', encodePairs(pairs), '', '', 0, 16));
      seen.push(
        puppet.call('proxy_http_call', 'auth', encodePairs([...pairs, 'x', 'a\r\nb: c']), '', '', 0, 16),
      );
      return 0;
    };
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.deepEqual(seen, [2, 2]);
    assert.equal(calls.length, 0);
  });

  test('S65, S67: a local response is sent with its headers, and the guest sees it in its own response callbacks', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = () => {
      puppet.call(
        'proxy_send_local_response',
        403,
        'no entry',
        'body',
        encodePairs(['X-A', '1', 'X-A', '2']),
        -1,
      );
      return 0;
    };
    stream.onLocalReply = () => {
      stream.responseHeaders = response(403);
      filter.encodeHeaders(stream.asStream, stream.responseHeaders, false);
    };
    puppet.trace.length = 0;
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, true), 4);
    assert.deepEqual(stream.asked, ['reply 403 "body" no_entry [["x-a","1"],["x-a","2"]] undefined']);
    assert.match(puppet.trace.at(-1) ?? '', /^proxy_on_response_headers/);
  });

  test('S71: closing the stream resets it', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = () => puppet.call('proxy_close_stream', 0);
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.deepEqual(stream.asked, ['reset wasm_close_stream']);
  });

  test('a stream that ends inside a callback does not hand its filter to another stream meanwhile', () => {
    const { puppet, start, request } = pluginOnWorker();
    const instance = start();
    const { stream, filter } = request(instance);
    let other: unknown = null;
    stream.resetStream = () => {
      filter.onLog(stream.asStream);
      filter.onDestroy();
      other = instance.createFilter(stream.asStream);
    };
    puppet.on.proxy_on_request_headers = () => puppet.call('proxy_close_stream', 0);
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.notEqual(other, filter);
  });
});

describe('allow_on_headers_stop_iteration', () => {
  const headers = encodePairs([':method', 'GET', ':path', '/check', ':authority', 'auth']);

  test('S59: paused headers do not stop body callbacks, and a Continue from the body lets both go', () => {
    const { puppet, start, request } = pluginOnWorker({ allowOnHeadersStopIteration: true } as never);
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = () => 1;
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, false), 1);
    assert.equal(filter.decodeData(stream.asStream, frame('x'), true), 0);
  });

  test('while a call-out of the stream is under way a Continue from the body lets nothing go', () => {
    const { puppet, calls, start, request } = pluginOnWorker({ allowOnHeadersStopIteration: true } as never);
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_http_call', 'auth', headers, '', '', 0, puppet.slot(0));
      return 1;
    };
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, false), 1);
    assert.equal(filter.decodeData(stream.asStream, frame('x'), false), 1);
    assert.equal(filter.decodeTrailers(stream.asStream, new HeaderMap()), 1);
    assert.deepEqual(stream.asked, []);
    calls[0]?.done({ headers: response(200), body: Buffer.alloc(0), trailers: null, local: false });
    assert.deepEqual(stream.asked, ['continueDecoding']);
  });

  test('a local response of the answer wins over what was held', () => {
    const { puppet, calls, start, request } = pluginOnWorker({ allowOnHeadersStopIteration: true } as never);
    const { stream, filter } = request(start());
    let id = 0;
    puppet.on.proxy_on_request_headers = context => {
      id = context!;
      puppet.call('proxy_http_call', 'auth', headers, '', '', 0, puppet.slot(0));
      return 1;
    };
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, false);
    filter.decodeData(stream.asStream, frame('x'), true);
    puppet.on.proxy_on_http_call_response = () => {
      puppet.call('proxy_set_effective_context', id);
      return puppet.call('proxy_send_local_response', 403, '', '', '', -1);
    };
    calls[0]?.done({ headers: response(401), body: Buffer.alloc(0), trailers: null, local: false });
    assert.equal(stream.asked[0], 'reply 403 ""  [] undefined');
  });
});

describe('failures', () => {
  const FAILED = 'reply 503 "" wasm_fail_stream{trap} null 14';
  const CLOSED = 'reply 503 "" wasm_fail_stream null 14';

  test('S103: a trap answers 503 once, and the guest is left alone', () => {
    const { puppet, table, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = trap;
    stream.onLocalReply = () => filter.encodeHeaders(stream.asStream, response(503), true);
    puppet.trace.length = 0;
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, true), 4);
    filter.onLog(stream.asStream);
    filter.onDestroy();
    assert.deepEqual(stream.asked, [FAILED]);
    assert.deepEqual(
      puppet.trace.map(line => line.replace(/\(.*/, '')),
      ['proxy_on_context_create', 'proxy_on_request_headers'],
    );
    assert.equal(table.snapshot().gauges.get('wasm.envoy.wasm.runtime.v8.active')?.value, 0);
  });

  test('an unspecified policy gives the next request a fresh instance', async () => {
    const { puppet, table, start, request } = pluginOnWorker();
    const instance = start();
    const first = request(instance);
    puppet.on.proxy_on_request_headers = trap;
    first.filter.decodeHeaders(first.stream.asStream, first.stream.requestHeaders, true);
    puppet.on.proxy_on_request_headers = () => 0;
    await immediates();
    const second = request(instance);
    assert.equal(second.filter.decodeHeaders(second.stream.asStream, second.stream.requestHeaders, true), 0);
    assert.deepEqual(second.stream.asked, []);
    const { counters } = table.snapshot();
    assert.deepEqual(
      [counters.get('wasm.plugin.vm_reload_success'), counters.get('wasm.envoy.wasm.runtime.v8.created')],
      [1, 2],
    );
  });

  test('another stream of the VM that trapped meets 503 at its next callback', () => {
    const { puppet, start, request } = pluginOnWorker();
    const instance = start();
    const [one, two] = [request(instance), request(instance)];
    two.filter.decodeHeaders(two.stream.asStream, two.stream.requestHeaders, true);
    puppet.on.proxy_on_request_headers = trap;
    one.filter.decodeHeaders(one.stream.asStream, one.stream.requestHeaders, true);
    assert.equal(two.filter.encodeHeaders(two.stream.asStream, response(), false), 4);
    assert.deepEqual(two.stream.asked, [FAILED]);
  });

  test('FAIL_CLOSED said explicitly stays closed', async () => {
    const { puppet, start, request } = pluginOnWorker({ failurePolicy: 'FAIL_CLOSED' });
    const instance = start();
    puppet.on.proxy_on_request_headers = trap;
    for (const reply of [FAILED, CLOSED]) {
      const { stream, filter } = request(instance);
      filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
      assert.deepEqual(stream.asked, [reply]);
      puppet.on.proxy_on_request_headers = () => 0;
      await immediates();
    }
  });

  test('S104: FAIL_OPEN lets the request pass whose plugin trapped, and later ones without it', async () => {
    const { puppet, start, request } = pluginOnWorker({ failurePolicy: 'FAIL_OPEN' });
    const instance = start();
    puppet.on.proxy_on_request_headers = trap;
    const { stream, filter } = request(instance);
    assert.equal(filter.decodeHeaders(stream.asStream, stream.requestHeaders, true), 0);
    assert.equal(filter.encodeHeaders(stream.asStream, response(), true), 0);
    assert.deepEqual(stream.asked, []);
    await immediates();
    assert.equal(instance.createFilter(stream.asStream), null);
  });

  test('FAIL_OPEN does not let a request pass that the plugin had changed', () => {
    const { puppet, start, request } = pluginOnWorker({ failurePolicy: 'FAIL_OPEN' });
    const { stream, filter } = request(start());
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_add_header_map_value', 0, 'x-half', 'done');
      return trap();
    };
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.deepEqual(stream.asked, [FAILED]);
  });

  test('S105: a plugin that does not start again is tried with a growing wait in between', async () => {
    const { puppet, clock, table, start, request } = pluginOnWorker();
    const instance = start();
    puppet.on.proxy_on_request_headers = trap;
    puppet.on.proxy_on_configure = () => 0;
    const { stream, filter } = request(instance);
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    await immediates();
    const counted = () =>
      ['reload_failure', 'reload_backoff'].map(name =>
        table.snapshot().counters.get(`wasm.plugin.vm_${name}`),
      );
    assert.deepEqual(counted(), [1, 0]);
    instance.plugin.acquire();
    assert.deepEqual(counted(), [1, 1]);
    clock.advance(1000);
    instance.plugin.acquire();
    assert.deepEqual(counted(), [2, 1]);
    clock.advance(1999);
    instance.plugin.acquire();
    assert.deepEqual(counted(), [2, 2]);
    puppet.on.proxy_on_configure = () => 1;
    clock.advance(1);
    assert.notEqual(instance.plugin.acquire(), null);
  });

  test('S19: a plugin that refuses its configuration does not start, unless it is to fail open', () => {
    for (const [policy, passes] of [
      [undefined, false],
      ['FAIL_CLOSED', false],
      ['FAIL_OPEN', true],
    ] as const) {
      const { puppet, start, request } = pluginOnWorker(
        policy === undefined ? {} : { failurePolicy: policy },
      );
      puppet.on.proxy_on_configure = () => 0;
      if (!passes)
        assert.throws(start, /plugin plugin \(root id "root"\): proxy_on_configure returned false/);
      else assert.equal(request(start()).filter, null);
    }
  });
});

describe('sharing of VMs', () => {
  test('S100: one VM for equal id, configuration and code; one root for equal plugins; closing ends both', () => {
    const { puppet, table, vms, start } = pluginOnWorker();
    const [one, two, other] = [start(), start(), start({ configuration: Buffer.from('other') })];
    assert.equal(one.plugin, two.plugin);
    assert.notEqual(one.plugin, other.plugin);
    const created = () => table.snapshot().counters.get('wasm.envoy.wasm.runtime.v8.created');
    assert.equal(created(), 1);
    const { settings } = one.plugin;
    start({ vm: { ...settings.vm, vmId: 'another' } });
    start({ vm: { ...settings.vm, vmConfiguration: Buffer.from('another') } });
    assert.equal(created(), 3);
    assert.equal(vms.size, 3);
    puppet.trace.length = 0;
    one.close();
    assert.deepEqual(puppet.trace, []);
    two.close();
    assert.deepEqual(puppet.trace, ['proxy_on_done(1)', 'proxy_on_delete(1)']);
    other.close();
    assert.equal(vms.size, 2);
  });
});

describe('properties of a stream', () => {
  const read = (
    paths: string[],
    phase: 'request' | 'response' | 'log' = 'request',
    prepare: (stream: FakeStream) => void = () => {},
  ) => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start(), { 'user-agent': 'test', 'x-a': '1', 'content-length': '12' });
    stream.requestHeaders.add('x-a', '2');
    prepare(stream);
    const seen: Record<string, string | number> = {};
    const ask = () => {
      for (const path of paths) {
        const { status, text } = puppet.ask('proxy_get_property', path.replaceAll('.', '\0'));
        seen[path] =
          status !== 0
            ? status
            : /^[\x20-\x7e]*$/.test(text!)
              ? text!
              : Buffer.from(text!, 'latin1').toString('hex');
      }
      return 0;
    };
    if (phase === 'request') puppet.on.proxy_on_request_headers = ask;
    else if (phase === 'response') puppet.on.proxy_on_response_headers = ask;
    else puppet.on.proxy_on_log = ask;
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    stream.responseHeaders = response();
    filter.encodeHeaders(stream.asStream, stream.responseHeaders, true);
    filter.onLog(stream.asStream);
    return seen;
  };

  test('S41, S95, S97: what is known of a request', () => {
    assert.deepEqual(
      read([
        'request.path',
        'request.url_path',
        'request.query',
        'request.host',
        'request.method',
        'request.useragent',
        'request.referer',
        'request.headers.x-a',
        'request.headers.x-none',
        'request.protocol',
        'request.size',
        'request.time',
        'request.duration',
        'source.address',
        'source.port',
        'destination.address',
        'connection.id',
        'connection.mtls',
        'connection.requested_server_name',
        'connection.tls_version',
        'xds.route_name',
        'xds.cluster_name',
        'xds.virtual_host_name',
        'xds.listener_direction',
        'route_name',
        'cluster_name',
        'listener_direction',
        'metadata',
        'response.code',
        'request',
        'request.no_such',
        'nothing',
      ]),
      {
        'request.path': '/path?q=1',
        'request.url_path': '/path',
        'request.query': 'q=1',
        'request.host': 'proxy.test',
        'request.method': 'GET',
        'request.useragent': 'test',
        'request.referer': 1,
        'request.headers.x-a': '1,2',
        'request.headers.x-none': 1,
        'request.protocol': 'HTTP/1.1',
        'request.size': '0c00000000000000',
        'request.time': '00002a36fe9c9717',
        'request.duration': 1,
        'source.address': '10.0.0.1:5000',
        'source.port': '8813000000000000',
        'destination.address': '[::1]:80',
        'connection.id': '0700000000000000',
        'connection.mtls': '00',
        'connection.requested_server_name': 'sni',
        'connection.tls_version': 1,
        'xds.route_name': 'the-route',
        'xds.cluster_name': 'app',
        'xds.virtual_host_name': 'all',
        'xds.listener_direction': '0100000000000000',
        route_name: 'the-route',
        cluster_name: 'app',
        listener_direction: '0100000000000000',
        metadata: '',
        'response.code': 1,
        request: 3,
        'request.no_such': 1,
        nothing: 1,
      },
    );
  });

  test('S98: names that Envoy dropped are answered as those which took their place', () => {
    for (const name of ['route_name', 'cluster_name', 'listener_direction']) {
      const seen = read([name, `xds.${name}`]);
      assert.equal(seen[name], seen[`xds.${name}`]);
      assert.equal(typeof seen[name], 'string', name);
    }
  });

  test('S97: headers of the request are out of reach in the response phase and there again in the log', () => {
    const paths = ['request.path', 'response.code', 'response.headers.content-type', 'response.grpc_status'];
    const known = {
      'response.code': 'c800000000000000',
      'response.headers.content-type': 'text/plain',
      'response.grpc_status': '0200000000000000',
    };
    assert.deepEqual(read(paths, 'response'), { 'request.path': 1, ...known });
    assert.deepEqual(read(paths, 'log'), { 'request.path': '/path?q=1', ...known });
  });

  test('S95: metadata by field and whole', () => {
    const seen = read(
      ['metadata.filter_metadata.ns.key', 'metadata.filter_metadata.ns.number', 'metadata'],
      'request',
      stream => stream.info.setDynamicMetadata('ns', 'key', 'value'),
    );
    assert.deepEqual(seen, {
      'metadata.filter_metadata.ns.key': 'value',
      'metadata.filter_metadata.ns.number': 1,
      // Metadata { filter_metadata: { key: "ns", value: Struct { fields: { key: "key", value: { string_value: "value" } } } } }
      metadata: '0a160a026e7312100a0e0a036b657912071a0576616c7565',
    });
  });

  test('S96: what one plugin sets, another one on the same stream can read', () => {
    const [first, second] = [pluginOnWorker(), pluginOnWorker()];
    const { stream, filter } = first.request(first.start());
    const other = second.start().createFilter(stream.asStream) as WasmFilter;
    first.puppet.on.proxy_on_request_headers = () =>
      first.puppet.call('proxy_set_property', 'shared', 'value');
    let seen: unknown;
    second.puppet.on.proxy_on_request_headers = () => {
      seen = second.puppet.ask('proxy_get_property', 'shared');
      return 0;
    };
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    other.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.deepEqual(seen, { status: Status.Ok, text: 'value' });
  });

  test('S96: what a plugin sets it can read again, also as filter state; a path of two components it cannot', () => {
    const { puppet, start, request } = pluginOnWorker();
    const { stream, filter } = request(start());
    const seen: unknown[] = [];
    puppet.on.proxy_on_request_headers = () => {
      seen.push(
        puppet.call('proxy_set_property', 'kept', 'value'),
        puppet.ask('proxy_get_property', 'kept').text,
      );
      seen.push(puppet.ask('proxy_get_property', 'filter_state\0wasm.kept').text);
      seen.push(
        puppet.call('proxy_set_property', 'a\0b', 'value'),
        puppet.ask('proxy_get_property', 'a\0b').status,
      );
      return 0;
    };
    filter.decodeHeaders(stream.asStream, stream.requestHeaders, true);
    assert.deepEqual(seen, [0, 'value', 'value', 0, Status.NotFound]);
  });
});
