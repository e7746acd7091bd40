// Price of crossing the boundary: nanoseconds and bytes of garbage per host call, measured from inside a guest that makes
// the call in a loop, and per request of a plugin that sets one header each way. Run: nx bench vm, or node bench/host-calls.ts

import { hostCall } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { compileModuleSync, HeaderList, localHost, MemoryBody, type StreamHost, Vm } from '../src/index.ts';

const CALLS = 100_000;
const REPEATS = 9;
const FEW = 500;
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
const CASES: readonly (readonly [label: string, call: string, args: readonly number[]])[] = [
  ['get_header_map_value, there', 'proxy_get_header_map_value', [0, ...text('user-agent'), POINTER, SIZE]],
  [
    'get_header_map_value, upper case',
    'proxy_get_header_map_value',
    [0, ...text('User-Agent'), POINTER, SIZE],
  ],
  ['get_header_map_value, missing', 'proxy_get_header_map_value', [0, ...text('x-none'), POINTER, SIZE]],
  ['replace_header_map_value', 'proxy_replace_header_map_value', [0, ...NAME, ...text('some value')]],
  ['get_header_map_pairs, 8 entries', 'proxy_get_header_map_pairs', [0, POINTER, SIZE]],
  ['get_header_map_size', 'proxy_get_header_map_size', [0, POINTER]],
  ['get_buffer_bytes, 64 of body', 'proxy_get_buffer_bytes', [0, 0, 64, POINTER, SIZE]],
  ['get_buffer_status', 'proxy_get_buffer_status', [0, POINTER, SIZE]],
  ['get_property plugin_name', 'proxy_get_property', [...text('plugin_name'), POINTER, SIZE]],
  ['get_property request.path', 'proxy_get_property', [...text('request\0path'), POINTER, SIZE]],
  ['set_shared_data', 'proxy_set_shared_data', [...text('key'), ...text('value'), 0]],
  ['get_shared_data', 'proxy_get_shared_data', [...text('key'), POINTER, SIZE, EXTRA]],
  ['increment_metric', 'proxy_increment_metric', [4, 1]],
  ['get_metric', 'proxy_get_metric', [4, POINTER]],
  ['get_current_time_nanoseconds', 'proxy_get_current_time_nanoseconds', [POINTER]],
  ['log, level off', 'proxy_log', [0, ...NAME]],
  ['set_effective_context', 'proxy_set_effective_context', [0]],
  ['call_foreign_function, unknown', 'proxy_call_foreign_function', [...text('none'), 0, 0, 0, 0]],
];

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
const vm = Vm.start(compileModuleSync(module.build()), localHost({ logLevel: 6 }));
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
    run(FEW);
    const bytes = process.memoryUsage().heapUsed - before - measuringBytes;
    if (bytes >= 0) garbage = Math.min(garbage, bytes / FEW);
  }
  if (garbage === Number.POSITIVE_INFINITY) garbage = 0;
  process.stdout.write(
    `${label.padEnd(36)} ${best.toFixed(1).padStart(8)} ns ${garbage.toFixed(0).padStart(7)} B\n`,
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
stream.requestHeaders = requestHeaders();
stream.requestBody = new MemoryBody('x'.repeat(64));
CASES.forEach(([label], i) => {
  measure(label, CALLS, count => {
    vm.enter(stream);
    exports[`case_${i}`](count);
    vm.leave();
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
