// VMs with limits: whatever part of a guest does not end, is ended, and says why; a watchdog's thread looks on.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { PluginStartError } from '../errors.ts';
import { localHost } from '../local-host.ts';
import { compileModuleSync } from '../module/plugin-module.ts';
import { RecordingStream, requestHeaders } from '../testing/fixture.ts';
import { Vm, type VmOptions } from '../vm.ts';
import type { VmFailure } from '../vm-host.ts';
import { Guard } from './guard.ts';
import type { Deadlines } from './imposed-limits.ts';
import { WatchdogThread } from './watchdog-thread.ts';

const DEADLINES: Deadlines = { requestMs: 20, startMs: 30, configureMs: 35, tickMs: 25 };
const PROPERTY_PATH_ADDRESS = 64;

let watchdog: WatchdogThread;
const guard = new Guard();
before(() => {
  watchdog = new WatchdogThread();
  watchdog.watch(1, guard.memory);
});
after(() => watchdog.close());

type Bodies = Readonly<Record<string, readonly number[]>>;

const TYPES: Readonly<Record<string, string>> = {
  malloc: 'i>i',
  proxy_on_vm_start: 'ii>i',
  proxy_on_configure: 'ii>i',
  proxy_on_context_create: 'ii>',
  proxy_on_request_headers: 'iii>i',
  proxy_on_response_headers: 'iii>i',
  proxy_on_tick: 'i>',
  proxy_on_log: 'i>',
  proxy_on_done: 'i>i',
  _initialize: '>',
};
/** Bodies that end with a value for a result. */
const spin = (type: string) => [...op.forever, ...(type.endsWith('i') ? op.i32(1) : [])];

/** A plugin of those exports; `start` is the body of its start section. */
function plugin(bodies: Bodies, options: { start?: readonly number[]; pages?: number } = {}) {
  const module = new ModuleBuilder();
  module.importFunction('env', 'proxy_get_property', 'iiii>i');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  for (const [name, body] of Object.entries({ malloc: op.i32(1024), ...bodies }))
    module.function(TYPES[name]!, body, name);
  const start = options.start === undefined ? -1 : module.function('>', options.start);
  module.memory({ minimum: options.pages ?? 1 });
  module.data(PROPERTY_PATH_ADDRESS, 'plugin_name');
  if (start !== -1) module.start(start);
  return compileModuleSync(module.build(), { limited: true });
}

/** A VM of such a plugin on the watched guard. */
function run(bodies: Bodies, options: VmOptions = {}) {
  const failures: VmFailure[] = [];
  const host = { ...localHost({ onFailure: failure => failures.push(failure) }), guard };
  const vm = Vm.start(plugin(bodies), host, { deadlines: DEADLINES, ...options });
  const root = () => vm.startRoot({ name: 'p', rootId: '', configuration: Buffer.alloc(0) });
  return { vm, failures, root };
}

/** Status of the request headers callback of a new stream. */
function request({ vm, root }: ReturnType<typeof run>): number {
  const stream = vm.newStream();
  stream.begin(root(), new RecordingStream());
  return stream.onRequestHeaders(requestHeaders(), true);
}

describe('an endless loop', () => {
  for (const [what, start] of [
    ['_initialize', () => plugin({ _initialize: op.forever })],
    ['the start section', () => plugin({}, { start: op.forever })],
  ] as const) {
    test(`in ${what} refuses the VM, naming the deadline`, () => {
      assert.throws(
        () => Vm.start(start(), { ...localHost(), guard }, { deadlines: DEADLINES }),
        (error: Error) =>
          error instanceof PluginStartError && /the deadline of 30 ms has passed/.test(error.message),
      );
    });
  }

  for (const [name, deadlineMs] of [
    ['proxy_on_vm_start', DEADLINES.startMs],
    ['proxy_on_configure', DEADLINES.configureMs],
  ] as const) {
    test(`in ${name} is a failed start with that cause`, () => {
      const running = run({ [name]: spin(TYPES[name]!) });
      assert.throws(running.root, PluginStartError);
      assert.equal(running.failures[0]?.cause, 'deadline');
      assert.equal(running.failures[0]?.callback, name);
      assert.match(running.failures[0].reason, new RegExp(`the deadline of ${deadlineMs} ms has passed`));
    });
  }

  test('in a request callback ends within the deadline of requests, and the VM is dead', () => {
    const running = run({ proxy_on_request_headers: spin('iii>i') });
    const startMs = performance.now();
    assert.equal(request(running), -1);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= DEADLINES.requestMs, `after ${tookMs} ms`);
    assert.equal(running.vm.failure?.cause, 'deadline');
    assert.match(running.vm.failure?.backtrace[0] ?? '', /wasm|function|proxy/);
  });

  test('in malloc, called by a host call, ends the callback', () => {
    const askForProperty = [...op.i32(PROPERTY_PATH_ADDRESS), ...op.i32(11), ...op.i32(16), ...op.i32(20)];
    const running = run({
      malloc: spin('i>i'),
      proxy_on_request_headers: [...askForProperty, ...op.call(0)],
    });
    assert.equal(request(running), -1);
    assert.equal(running.failures[0]?.cause, 'deadline');
    assert.equal(running.failures[0]?.callback, 'proxy_on_request_headers');
  });

  test('of tail calls ends', () => {
    // The second function after the import: proxy_on_request_headers itself.
    const running = run({
      proxy_on_request_headers: [...op.get(0), ...op.get(1), ...op.get(2), 0x12, 3],
    });
    assert.equal(request(running), -1);
    assert.equal(running.failures[0]?.cause, 'deadline');
  });

  test('leaves other VMs of the thread alone', () => {
    const other = run({ proxy_on_request_headers: op.i32(0) });
    const otherRoot = other.root();
    assert.equal(request(run({ proxy_on_request_headers: spin('iii>i') })), -1);
    const stream = other.vm.newStream();
    stream.begin(otherRoot, new RecordingStream());
    assert.equal(stream.onRequestHeaders(requestHeaders(), true), 0);
    assert.equal(other.vm.failure, null);
  });

  test('of callbacks that each end in time is none', () => {
    const running = run({ proxy_on_request_headers: op.i32(0) });
    const root = running.root();
    const stream = running.vm.newStream();
    const endMs = performance.now() + 3 * DEADLINES.requestMs;
    while (performance.now() < endMs) {
      stream.begin(root, new RecordingStream());
      assert.equal(stream.onRequestHeaders(requestHeaders(), true), 0);
      stream.end();
    }
    assert.equal(running.vm.failure, null);
  });
});

describe('other ends', () => {
  test('a trap is a trap, and endless recursion a stack overflow', () => {
    const trapped = run({ proxy_on_request_headers: op.unreachable });
    assert.equal(request(trapped), -1);
    assert.equal(trapped.failures[0]?.cause, 'trap');
    const recursive = run(
      { proxy_on_request_headers: [...op.get(0), ...op.get(1), ...op.get(2), ...op.call(3)] },
      { deadlines: { ...DEADLINES, requestMs: 0 } },
    );
    assert.equal(request(recursive), -1);
    assert.equal(recursive.failures[0]?.cause, 'stack_overflow');
  });

  test('a deadline of 0 is none: a long callback comes to its end', () => {
    // local.get 0 counts down from a hundred million.
    const count = [0x03, 0x40, ...op.get(0), ...op.i32(1), 0x6b, 0x22, 0, 0x0d, 0, 0x0b, ...op.i32(0)];
    const running = run(
      { proxy_on_request_headers: [...op.i32(200_000_000), 0x21, 0, ...count] },
      { deadlines: { requestMs: 0, startMs: 0, configureMs: 0, tickMs: 0 } },
    );
    assert.equal(request(running), 0);
  });
});

describe('the memory cap', () => {
  const GROW_UNTIL_REFUSED = [0x03, 0x40, ...op.i32(1), ...op.memoryGrow, ...op.i32(-1), 0x47, 0x0d, 0, 0x0b];

  test('a guest grows up to it, goes on, and does not die of it', () => {
    const running = run(
      { proxy_on_request_headers: [...GROW_UNTIL_REFUSED, ...op.i32(0)] },
      { maxMemoryPages: 17 },
    );
    assert.equal(request(running), 0);
    assert.equal(running.vm.memoryBytes, 17 * 65_536);
    assert.equal(running.vm.failure, null);
  });

  test('a guest that traps after a refused growth died of memory', () => {
    const running = run(
      { proxy_on_request_headers: [...GROW_UNTIL_REFUSED, ...op.unreachable] },
      { maxMemoryPages: 17 },
    );
    assert.equal(request(running), -1);
    assert.equal(running.failures[0]?.cause, 'out_of_memory');
    assert.match(running.failures[0].reason, /the memory limit was reached/);
  });

  test('a module that starts above it is refused with both numbers', () => {
    assert.throws(
      () => Vm.start(plugin({}, { pages: 3072 }), localHost()),
      /starts at 3072 pages of 64 KiB, the limit is 2048 \(192 MiB, 128 MiB\)/,
    );
  });

  test('several memories stay within it together', () => {
    const text = (value: string) => [value.length, ...Buffer.from(value)];
    // Type ()->(i32), (i32)->(i32) and ()->(); memories of 1 and 2 pages; the exports a plugin needs.
    const exports = [
      [...text('memory'), 2, 0],
      [...text('other'), 2, 1],
      [...text('malloc'), 0, 0],
      [...text('proxy_abi_version_0_2_1'), 0, 1],
    ];
    const section = (id: number, content: number[]) => [id, content.length, ...content];
    const bytes = Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0]),
      ...section(3, [2, 0, 1]),
      ...section(5, [2, 0, 1, 0, 2]),
      ...section(7, [exports.length, ...exports.flat()]),
      ...section(10, [2, 4, 0, 0x20, 0, 0x0b, 2, 0, 0x0b]),
    ]);
    const module = compileModuleSync(bytes, { limited: true });
    const vm = Vm.start(module, localHost(), { maxMemoryPages: 13 });
    const [memory, other] = [vm.exports.memory, vm.exports.other] as WebAssembly.Memory[];
    assert.deepEqual([memory!.grow(5), other!.grow(5)], [1, 2]);
    assert.throws(() => memory!.grow(1), RangeError);
    assert.throws(() => other!.grow(1), RangeError);
  });
});
