// Starting a VM, and its death.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CALLBACKS, Errno, Status } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { PluginStartError } from './errors.ts';
import { HeaderList } from './header-list.ts';
import { localHost } from './local-host.ts';
import { compileModuleSync } from './module/plugin-module.ts';
import {
  inRequestHeaders,
  RecordingStream,
  requestHeaders,
  startStream,
  startVm,
} from './testing/fixture.ts';
import { Vm } from './vm.ts';

const START_EXPORTS = ['_initialize', 'main', '__main_void', '_start'];

function startedBy(...names: string[]): string[] {
  const types: Record<string, string> = { main: 'ii>i', __main_void: '>i' };
  const callbacks = names.map(name => ({ name, type: types[name] ?? '>' }));
  return startVm({ callbacks }).puppet.trace;
}

describe('start functions', () => {
  test('S9: _initialize, then main with (0, 0), and not _start', () => {
    assert.deepEqual(startedBy(...START_EXPORTS), ['_initialize()', 'main(0, 0)']);
  });

  test('S10: _initialize, then __main_void where there is no main', () => {
    assert.deepEqual(startedBy('_initialize', '__main_void', '_start'), ['_initialize()', '__main_void()']);
  });

  test('S11: only _start: called once, main not', () => {
    assert.deepEqual(startedBy('_start', 'main'), ['_start()']);
  });

  test('S12: none of them: the module loads', () => {
    assert.deepEqual(startedBy(), []);
  });

  test('a trap in a start function refuses the VM with the reason', () => {
    assert.throws(
      () =>
        startVm({
          callbacks: [{ name: '_initialize', type: '>' }],
          prepare: puppet => {
            puppet.on._initialize = () => {
              throw new WebAssembly.RuntimeError('divide by zero');
            };
          },
        }),
      (error: Error) =>
        error instanceof PluginStartError &&
        /_initialize failed: RuntimeError: divide by zero/.test(error.message),
    );
  });

  test('an endless recursion in the start section refuses the VM, and host calls in there find no memory', () => {
    const module = new ModuleBuilder();
    const log = module.importFunction('env', 'proxy_log', 'iii>i');
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(0), 'malloc');
    const start = module.function('>', [
      ...op.i32(2),
      ...op.i32(0),
      ...op.i32(4),
      ...op.call(log),
      ...op.drop,
    ]);
    module.memory({ minimum: 1 });
    module.start(start);
    const lines: string[] = [];
    Vm.start(compileModuleSync(module.build()), localHost({ log: (_level, line) => lines.push(line) }));
    assert.deepEqual(lines, []);
  });
});

describe('imports', () => {
  const withImport = (moduleName: string, name: string, type = 'i>i') => {
    const module = new ModuleBuilder();
    const imported = module.importFunction(moduleName, name, type);
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(0), 'malloc');
    const args = [...type.slice(0, type.indexOf('>'))].flatMap(letter =>
      letter === 'I' ? op.i64(1) : op.i32(1),
    );
    module.function(
      'i>',
      [...args, ...op.call(imported), ...(type.endsWith('i') ? op.drop : [])],
      'proxy_on_tick',
    );
    module.memory({ minimum: 1 });
    return compileModuleSync(module.build());
  };
  const tick = (vm: Vm) => {
    const root = vm.startRoot({ name: 'p', rootId: '', configuration: Buffer.alloc(0) });
    (root as unknown as { onQueueReady(token: number): void }).onQueueReady(1);
    try {
      (vm.exports.proxy_on_tick as (id: number) => void)(1);
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  };

  test('S5: an import that no host offers loads, and traps with its name when it is called', () => {
    const vm = Vm.start(withImport('env', 'proxy_get_upstream_hosts'), localHost());
    assert.equal(tick(vm), 'the guest called env.proxy_get_upstream_hosts, which this host does not offer');
    assert.equal(vm.failure?.cause, 'contract_violation');
  });

  test('S5: with strictImports it is a load error that names module and function', () => {
    assert.throws(
      () => Vm.start(withImport('odd', 'thing'), localHost(), { strictImports: true }),
      /the module imports odd\.thing, which this host does not offer/,
    );
  });

  test('S6: a 0.2.1 call is there for a 0.2.0 module: the union of all versions is offered', () => {
    const { puppet, vm } = startVm({ markers: ['proxy_abi_version_0_2_0'] });
    assert.equal(vm.abiVersion, '0.2.0');
    assert.equal(puppet.call('proxy_get_log_level', 16), Status.Ok);
  });

  test('an import of other types than the ABI has traps with both when it is called', () => {
    const vm = Vm.start(withImport('env', 'proxy_get_metric', 'iI>i'), localHost());
    assert.match(tick(vm) ?? '', /env\.proxy_get_metric, imported as iI>i, while the ABI has ii>i/);
  });

  test('an import with fewer parameters than the ABI has works', () => {
    assert.equal(tick(Vm.start(withImport('env', 'proxy_grpc_cancel', '>i'), localHost())), null);
  });

  test('a function given by the embedder answers an import of any module', () => {
    let called = -1;
    const imports = new Map([['odd.thing', () => (value: number) => (called = value)]]);
    const vm = Vm.start(withImport('odd', 'thing'), localHost(), { imports });
    assert.equal(tick(vm), null);
    assert.equal(called, 1);
  });

  test('an imported memory is made by the host within its limit; one that starts above is refused with both numbers', () => {
    const module = new ModuleBuilder();
    module.importMemory('env', 'memory', { minimum: 4 });
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(0), 'malloc');
    const compiled = compileModuleSync(module.build());
    const vm = Vm.start(compiled, localHost(), { maxMemoryPages: 5 });
    assert.equal(vm.memoryBytes, 4 * 65_536);
    assert.throws(() => vm.memory.memory.grow(2), RangeError);
    assert.throws(
      () => Vm.start(compiled, localHost(), { maxMemoryPages: 3 }),
      /starts at 4 pages of 64 KiB, the limit is 3/,
    );
  });
});

describe('capabilities', () => {
  const allowed = (...names: string[]) => ({ vm: { allowedCapabilities: new Set(names) } });

  test('S102: a call that is not allowed is INTERNAL_FAILURE and logged, a WASI one ENOTCAPABLE', () => {
    const fixture = startStream(allowed('proxy_on_request_headers', 'proxy_log'));
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(
        fixture.puppet.call('proxy_http_call', '', '', '', '', 0, 16),
        fixture.puppet.call('sched_yield'),
      );
      seen.push(fixture.puppet.call('proxy_log', 2, 'allowed'));
      return 0;
    });
    assert.deepEqual(seen, [Status.InternalFailure, Errno.NotCapable, Status.Ok]);
    assert.deepEqual(fixture.log, [
      '4 Attempted call to restricted proxy-wasm capability: proxy_http_call',
      '4 Attempted call to restricted WASI capability: sched_yield',
      '2 wasm log plugin root vm: allowed',
    ]);
  });

  test('S102: a callback that is not allowed is not called', () => {
    const { puppet, stream } = startStream(allowed('proxy_on_response_headers'));
    stream.onRequestHeaders(requestHeaders(), true);
    stream.onResponseHeaders(HeaderList.from({ ':status': '200' }), true);
    assert.deepEqual(puppet.trace, ['proxy_on_response_headers(2, 1, 1)']);
  });

  test('an empty list restricts nothing', () => {
    const { puppet } = startStream(allowed());
    assert.equal(puppet.call('proxy_get_log_level', 16), Status.Ok);
  });
});

describe('death of a VM', () => {
  const trapping = (error: unknown = new WebAssembly.RuntimeError('unreachable')) =>
    startStream({
      prepare: puppet => {
        puppet.on.proxy_on_request_headers = () => {
          throw error;
        };
      },
    });

  test('S103: the callback that traps answers FAILED, and nothing of the VM is called ever after', () => {
    const { puppet, root, stream, vm, clock, failures, log } = trapping();
    const other = vm.newStream();
    other.begin(root, new RecordingStream());
    root.setTickPeriod(1);
    puppet.trace.length = 0;
    assert.equal(stream.onRequestHeaders(requestHeaders(), true), -1);
    assert.deepEqual(
      [
        stream.onResponseHeaders(new HeaderList(), true),
        other.onRequestHeaders(requestHeaders(), true),
        other.onRequestTrailers(new HeaderList()),
        vm.newStream().begin(root, new RecordingStream()),
      ],
      [-1, -1, -1, false],
    );
    for (const each of [stream, other]) {
      each.onLog(requestHeaders(), null, null);
      each.end();
    }
    clock.advance(10);
    root.shutdown();
    assert.deepEqual(puppet.trace, ['proxy_on_request_headers(2, 4, 1)']);
    assert.deepEqual(
      failures.map(({ cause, callback }) => [cause, callback]),
      [['trap', 'proxy_on_request_headers']],
    );
    assert.equal(
      log[0],
      '4 Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable [cause: trap, plugin: plugin]',
    );
  });

  test('S110: stack exhaustion, unreachable and an error of the host are told apart', () => {
    const overflow = () => {
      const deeper = (): number => deeper() + 1;
      try {
        return deeper();
      } catch (error) {
        return error;
      }
    };
    for (const [error, cause] of [
      [new WebAssembly.RuntimeError('unreachable'), 'trap'],
      [overflow(), 'stack_overflow'],
      [new TypeError('a mistake of ours'), 'host_error'],
    ] as const) {
      const { stream, vm } = trapping(error);
      assert.equal(stream.onRequestHeaders(requestHeaders(), true), -1);
      assert.equal(vm.failure?.cause, cause);
    }
  });

  test('S110: real unreachable and real recursion in the guest', () => {
    for (const [body, cause] of [
      [[...op.unreachable], 'trap'],
      [[...op.get(0), ...op.get(1), ...op.call(3), ...op.i32(1), ...op.add], 'stack_overflow'],
    ] as const) {
      const module = new ModuleBuilder();
      module.function('>', [], 'proxy_abi_version_0_2_1');
      module.function('i>i', op.i32(0), 'malloc');
      module.function('ii>', [], 'unused');
      module.function('ii>i', body, 'proxy_on_request_headers');
      module.memory({ minimum: 1 });
      const vm = Vm.start(compileModuleSync(module.build()), localHost());
      const root = vm.startRoot({ name: 'p', rootId: '', configuration: Buffer.alloc(0) });
      const stream = vm.newStream();
      stream.begin(root, new RecordingStream());
      assert.equal(stream.onRequestHeaders(requestHeaders(), true), -1);
      assert.equal(vm.failure?.cause, cause);
      assert.ok(vm.failure.backtrace.length > 0);
    }
  });

  test('what was put off in the callback that traps is dropped', () => {
    const fixture = startStream();
    inRequestHeaders(fixture, requestHeaders(), () => {
      fixture.puppet.call('proxy_send_local_response', 200, '', '', '', -1);
      throw new WebAssembly.RuntimeError('unreachable');
    });
    assert.deepEqual(fixture.streamHost.asked, []);
  });

  for (const name of CALLBACKS.map(({ name }) => name).filter(name =>
    /_(log|done|delete|context_create)$/.test(name),
  )) {
    test(`a trap in ${name} of a stream is contained`, () => {
      const { puppet, root, vm } = startStream();
      puppet.on[name] = () => {
        throw new WebAssembly.RuntimeError('unreachable');
      };
      const stream = vm.newStream();
      const begun = stream.begin(root, new RecordingStream());
      if (begun) stream.onLog(requestHeaders(), null, null);
      stream.end();
      assert.equal(vm.failure?.callback, name);
    });
  }
});
