// Price of crossing the boundary: nanoseconds and bytes of garbage for every host call, measured from inside a guest that
// makes the call in a loop, and per request of a plugin that sets one header each way. Run: nx bench vm, or node bench/host-calls.ts

import { encodePairs, HOST_CALLS, hostCall } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { compileModuleSync, HeaderList, localHost, MemoryBody, type StreamHost, Vm } from '../src/index.ts';

const CALLS = 100_000;
const REPEATS = 9;
const FEW = 500;
/** Of calls that leave something behind (a promise to act later, a call-out, a metric). */
const LEAVING = 100;
/** Result slots and texts of the guest. */
const [POINTER, SIZE, EXTRA] = [16, 20, 24];
const HEAP = 8192;

const module = new ModuleBuilder();
let nextText = 1024;
const texts: [number, string][] = [];

/** Pointer and length of a text in the guest's data. */
function text(value: string): number[] {
  const at = nextText;
  texts.push([at, value]);
  nextText += value.length;
  return [at, value.length];
}

const NAME = text('x-request-kind');
const pairs = text(
  Buffer.from(encodePairs([':method', 'GET', ':path', '/', ':authority', 'a'])).toString('latin1'),
);
const NONE = [0, 0];
/** Label, call, arguments, and how often at a time where it is not CALLS. */
const CASES: readonly (readonly [label: string, call: string, args: readonly number[], count?: number])[] = [
  ['log, level off', 'proxy_log', [0, ...NAME]],
  ['log, level on', 'proxy_log', [5, ...NAME]],
  ['get_log_level', 'proxy_get_log_level', [POINTER]],
  ['get_current_time_nanoseconds', 'proxy_get_current_time_nanoseconds', [POINTER]],
  ['set_tick_period_milliseconds', 'proxy_set_tick_period_milliseconds', [0]],
  ['get_configuration (0.1.0)', 'proxy_get_configuration', [POINTER, SIZE]],
  ['get_status', 'proxy_get_status', [EXTRA, POINTER, SIZE]],
  ['get_property plugin_name', 'proxy_get_property', [...text('plugin_name'), POINTER, SIZE]],
  ['get_property request.path', 'proxy_get_property', [...text('request\0path'), POINTER, SIZE]],
  ['set_property', 'proxy_set_property', [...text('mine'), ...text('value')]],
  ['continue_request (0.1.0), none paused', 'proxy_continue_request', [], LEAVING],
  ['continue_response (0.1.0), none paused', 'proxy_continue_response', [], LEAVING],
  ['clear_route_cache (0.1.0)', 'proxy_clear_route_cache', []],
  ['continue_stream, none paused', 'proxy_continue_stream', [1], LEAVING],
  ['close_stream', 'proxy_close_stream', [0], LEAVING],
  ['send_local_response', 'proxy_send_local_response', [403, ...NAME, ...NAME, ...NONE, -1], LEAVING],
  ['get_header_map_size', 'proxy_get_header_map_size', [0, POINTER]],
  ['get_header_map_pairs, 8 entries', 'proxy_get_header_map_pairs', [0, POINTER, SIZE]],
  ['set_header_map_pairs, 3 entries', 'proxy_set_header_map_pairs', [1, ...pairs]],
  ['get_header_map_value, there', 'proxy_get_header_map_value', [0, ...text('user-agent'), POINTER, SIZE]],
  [
    'get_header_map_value, upper case',
    'proxy_get_header_map_value',
    [0, ...text('User-Agent'), POINTER, SIZE],
  ],
  ['get_header_map_value, missing', 'proxy_get_header_map_value', [0, ...text('x-none'), POINTER, SIZE]],
  ['add_header_map_value', 'proxy_add_header_map_value', [2, ...NAME, ...text('some value')], LEAVING],
  ['replace_header_map_value', 'proxy_replace_header_map_value', [0, ...NAME, ...text('some value')]],
  ['remove_header_map_value, missing', 'proxy_remove_header_map_value', [0, ...text('x-none')]],
  ['get_buffer_bytes, 64 of body', 'proxy_get_buffer_bytes', [0, 0, 64, POINTER, SIZE]],
  ['get_buffer_status', 'proxy_get_buffer_status', [0, POINTER, SIZE]],
  ['set_buffer_bytes, 14 for 14', 'proxy_set_buffer_bytes', [0, 0, 14, ...NAME]],
  ['http_call', 'proxy_http_call', [...NAME, ...pairs, ...NONE, ...NONE, 100, POINTER], LEAVING],
  ['grpc_call', 'proxy_grpc_call', [...NAME, ...NAME, ...NAME, ...NONE, ...NAME, 100, POINTER], LEAVING],
  ['grpc_stream', 'proxy_grpc_stream', [...NAME, ...NAME, ...NAME, ...NONE, POINTER], LEAVING],
  ['grpc_send, unknown stream', 'proxy_grpc_send', [2, ...NAME, 0]],
  ['grpc_cancel, unknown', 'proxy_grpc_cancel', [1]],
  ['grpc_close, unknown', 'proxy_grpc_close', [2]],
  ['set_shared_data', 'proxy_set_shared_data', [...text('key'), ...text('value'), 0]],
  ['get_shared_data', 'proxy_get_shared_data', [...text('key'), POINTER, SIZE, EXTRA]],
  ['register_shared_queue', 'proxy_register_shared_queue', [...text('queue'), POINTER]],
  ['resolve_shared_queue', 'proxy_resolve_shared_queue', [...NONE, ...text('queue'), POINTER]],
  ['enqueue_shared_queue', 'proxy_enqueue_shared_queue', [1, ...NAME], LEAVING],
  ['dequeue_shared_queue', 'proxy_dequeue_shared_queue', [1, POINTER, SIZE], LEAVING],
  ['define_metric', 'proxy_define_metric', [0, ...text('counter'), POINTER], LEAVING],
  ['increment_metric', 'proxy_increment_metric', [4, 1]],
  ['record_metric', 'proxy_record_metric', [4, 1]],
  ['get_metric', 'proxy_get_metric', [4, POINTER]],
  ['set_effective_context', 'proxy_set_effective_context', [0]],
  ['done, nobody waits', 'proxy_done', []],
  ['call_foreign_function, unknown', 'proxy_call_foreign_function', [...text('none'), ...NONE, ...NONE]],
  [
    'call_foreign_function compress',
    'proxy_call_foreign_function',
    [...text('compress'), ...NAME, POINTER, SIZE],
    LEAVING,
  ],
];
const unmeasured = HOST_CALLS.filter(({ name }) => !CASES.some(([, call]) => call === name));
if (unmeasured.length > 0) throw new Error(`no case for ${unmeasured.map(({ name }) => name).join(', ')}`);

const imported = new Map<string, number>();
for (const [, call] of [...CASES, ['', 'proxy_add_header_map_value'], ['', 'proxy_define_metric']] as const) {
  if (!imported.has(call)) imported.set(call, module.importFunction('env', call, hostCall.get(call)!.type));
}
const call = (name: string, args: readonly number[]): number[] => {
  const type = hostCall.get(name)!.type;
  return [
    ...args.flatMap((arg, i) => (type[i] === 'I' ? op.i64(arg) : op.i32(arg))),
    ...op.call(imported.get(name)!),
  ];
};

module.function('>', [], 'proxy_abi_version_0_2_1');
// An allocator that always has the same room: what it costs is not the question here.
module.function('i>i', op.i32(HEAP), 'malloc');
module.function(
  'ii>i',
  call('proxy_define_metric', [0, ...text('counter'), POINTER]),
  'proxy_on_configure_metrics',
);
CASES.forEach(([, name, args], i) => {
  const again = [...op.get(0), ...op.i32(-1), ...op.add, ...op.tee(0), ...op.branchIf(0)];
  module.function('i>', [...op.loop, ...call(name, args), ...op.drop, ...again, ...op.end], `case_${i}`);
});
const added = [...text('X-Bench'), ...text('request')];
module.function(
  'iii>i',
  [...call('proxy_add_header_map_value', [0, ...added]), ...op.drop, ...op.i32(0)],
  'proxy_on_request_headers',
);
module.function(
  'iii>i',
  [...call('proxy_add_header_map_value', [2, ...added]), ...op.drop, ...op.i32(0)],
  'proxy_on_response_headers',
);
module.memory({ minimum: 1 });
for (const [at, value] of texts) module.data(at, value);

const nothing = () => {};
const streamHost: StreamHost = {
  continueRequest: nothing,
  continueResponse: nothing,
  closeStream: nothing,
  sendLocalResponse: nothing,
  createRequestTrailers: () => null,
  createResponseTrailers: () => null,
  clearRouteCache: nothing,
  getProperty: () => '/path?q=1',
  setProperty: () => 0,
};
const grpcStream = { cancel: nothing, send: nothing, close: nothing };
const host = localHost({
  logLevel: 5,
  httpCall: () => grpcStream,
  grpcCall: () => grpcStream,
  grpcStream: () => grpcStream,
});
const vm = Vm.start(compileModuleSync(module.build()), host);
const root = vm.startRoot({ name: 'bench', rootId: '', configuration: Buffer.alloc(0) });
const exports = vm.exports as Record<string, (...args: number[]) => number>;
exports.proxy_on_configure_metrics(0, 0);

const requestHeaders = (): HeaderList =>
  HeaderList.from({
    ':authority': 'example.org',
    ':path': '/path?q=1',
    ':method': 'GET',
    ':scheme': 'http',
    'user-agent': 'curl/8.5.0',
    accept: '*/*',
    'x-request-id': '4bf92f35-77b3-4da6-a3ce-929d0e0e4736',
    'x-request-kind': 'a',
  });

/** The least of several runs: everything above it was somebody else's work. Bytes come from few calls: no collection between. */
function measure(label: string, count: number, run: (count: number) => void): void {
  const few = Math.min(FEW, count);
  run(count);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPEATS; i++) {
    const start = process.hrtime.bigint();
    run(count);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / count);
  }
  let garbage = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPEATS; i++) {
    const before = process.memoryUsage().heapUsed;
    run(few);
    const bytes = process.memoryUsage().heapUsed - before - measuringBytes;
    if (bytes >= 0) garbage = Math.min(garbage, bytes / few);
  }
  if (garbage === Number.POSITIVE_INFINITY) garbage = 0;
  process.stdout.write(
    `${label.padEnd(40)} ${best.toFixed(1).padStart(8)} ns ${garbage.toFixed(0).padStart(7)} B\n`,
  );
}

/** What asking for the heap's size leaves on the heap. */
const measuringBytes = (() => {
  process.memoryUsage();
  const before = process.memoryUsage().heapUsed;
  return process.memoryUsage().heapUsed - before;
})();

const stream = vm.newStream();
stream.begin(root, streamHost);
CASES.forEach(([label, , , count = CALLS], i) => {
  measure(label, count, calls => {
    stream.requestHeaders = requestHeaders();
    stream.requestTrailers = new HeaderList();
    stream.responseHeaders = new HeaderList();
    stream.requestBody = new MemoryBody('x'.repeat(64));
    vm.enter(stream);
    exports[`case_${i}`](calls);
    vm.leave();
    root.dropCallouts();
  });
});
stream.end();

const REQUESTS = 20_000;
measure('one request, a header each way', REQUESTS, count => {
  for (let i = 0; i < count; i++) {
    const request = requestHeaders();
    const response = HeaderList.from({ ':status': '200' });
    stream.begin(root, streamHost);
    stream.onRequestHeaders(request, true);
    stream.onResponseHeaders(response, false);
    stream.onLog(request, response, null);
    stream.end();
  }
});
measure('the same without the plugin', REQUESTS, count => {
  for (let i = 0; i < count; i++) {
    requestHeaders().add('x-bench', 'request');
    HeaderList.from({ ':status': '200' }).add('x-bench', 'request');
  }
});
