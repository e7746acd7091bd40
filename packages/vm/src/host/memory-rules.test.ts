// The rules for pointers and results, shown with one call of each shape; random arguments are in hostile-guest.test.ts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { localHost } from '../local-host.ts';
import { compileModuleSync } from '../module/plugin-module.ts';
import { inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';
import { Vm } from '../vm.ts';

const FAR = 0xfffffff0;
const GET = 'proxy_get_header_map_value';

describe('pointers and results', () => {
  test('S30: an empty result is pointer 0 and size 0, and the allocator is not called', () => {
    const fixture = startStream({ root: { configuration: Buffer.alloc(0), name: '' } });
    const { puppet } = fixture;
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(puppet.ask('proxy_get_property', 'plugin_name').status, puppet.u32(0), puppet.u32(1));
      return 0;
    });
    assert.deepEqual(seen, [0, 0, 0]);
    assert.deepEqual(puppet.allocations, []);
  });

  test('S31: the allocator is called once with exactly the size of the result', () => {
    const fixture = startStream();
    inRequestHeaders(fixture, requestHeaders(['x', 'twelve chars']), () => {
      fixture.puppet.ask(GET, 0, 'x');
      return 0;
    });
    assert.deepEqual(fixture.puppet.allocations, [12]);
  });

  test('S32: bad input and output pointers are INVALID_MEMORY_ACCESS, also where they wrap around', () => {
    const fixture = startStream();
    const { puppet } = fixture;
    const seen: Record<string, number> = {};
    inRequestHeaders(fixture, requestHeaders(), () => {
      const edge = puppet.memory.length;
      seen['key far'] = puppet.call(GET, 0, FAR, 32, 16, 24);
      seen['key at the end'] = puppet.call(GET, 0, edge, 1, 16, 24);
      seen['empty key at the end'] = puppet.call(GET, 0, edge, 0, 16, 24);
      seen['huge length'] = puppet.call(GET, 0, 64, -1, 16, 24);
      seen['pointer result far'] = puppet.call(GET, 0, ':path', FAR, 24);
      seen['size result far'] = puppet.call(GET, 0, ':path', 16, FAR);
      seen['two bytes before the end'] = puppet.call(GET, 0, ':path', edge - 2, 24);
      seen['result at 0'] = puppet.call(GET, 0, ':path', 0, 24);
      seen['result at an odd address'] = puppet.call(GET, 0, ':path', 33, 24);
      return 0;
    });
    assert.deepEqual(seen, {
      'key far': 6,
      'key at the end': 6,
      'empty key at the end': 1,
      'huge length': 6,
      'pointer result far': 6,
      'size result far': 6,
      'two bytes before the end': 6,
      'result at 0': 0,
      'result at an odd address': 0,
    });
  });

  for (const [what, answer] of [
    ['0', 0],
    ['an address outside', FAR],
  ] as const) {
    test(`S33: an allocator that answers ${what} makes it INVALID_MEMORY_ACCESS, results untouched, VM alive`, () => {
      const fixture = startStream();
      const { puppet, vm } = fixture;
      const seen: unknown[] = [];
      inRequestHeaders(fixture, requestHeaders(), () => {
        puppet.allocatorAnswer = () => answer;
        for (const [name, ...args] of [
          [GET, 0, ':path'],
          ['proxy_get_header_map_pairs', 0],
          ['proxy_get_property', 'plugin_name'],
        ] as const) {
          seen.push(puppet.ask(name, ...args).status, puppet.u32(0));
        }
        puppet.allocatorAnswer = null;
        seen.push(puppet.ask(GET, 0, ':path').text);
        return 0;
      });
      const untouched = 0xeeeeeeee;
      assert.deepEqual(seen, [6, untouched, 6, untouched, 6, untouched, '/path?q=1']);
      assert.equal(vm.failure, null);
    });
  }

  test('S34: memory that grows inside the allocator still gets the data', () => {
    const fixture = startStream();
    const { puppet, vm } = fixture;
    let seen: unknown;
    inRequestHeaders(fixture, requestHeaders(), () => {
      puppet.allocatorAnswer = () => {
        const end = puppet.memory.length;
        vm.memory.memory.grow(1);
        return end + 8;
      };
      seen = puppet.ask(GET, 0, ':path');
      return 0;
    });
    assert.deepEqual(seen, { status: 0, text: '/path?q=1' });
  });

  test('S4: of two allocators only malloc is called; the other one serves where there is no malloc', () => {
    const blockOf = (...allocators: [name: string, answer: number][]) => {
      const module = new ModuleBuilder();
      module.function('>', [], 'proxy_abi_version_0_2_1');
      for (const [name, answer] of allocators) module.function('i>i', op.i32(answer), name);
      module.memory({ minimum: 1 });
      return Vm.start(compileModuleSync(module.build()), localHost()).allocator.allocate(8);
    };
    assert.equal(blockOf(['proxy_on_memory_allocate', 2048], ['malloc', 4096]), 4096);
    assert.equal(blockOf(['proxy_on_memory_allocate', 2048]), 2048);
  });

  test('S14: host calls inside the allocator act on no context, and none of them can allocate', () => {
    const fixture = startStream();
    const { puppet } = fixture;
    const seen: unknown[] = [];
    inRequestHeaders(fixture, requestHeaders(['x', 'y']), () => {
      puppet.allocatorAnswer = () => {
        seen.push(puppet.call('proxy_log', 2, 'in the allocator'));
        seen.push(
          puppet.call(GET, 0, ':path', 80, 88),
          puppet.call('proxy_get_buffer_bytes', 6, 0, 9, 80, 88),
        );
        return 100_000;
      };
      // The key lies in the scratch memory that the calls inside use, too: it has been read by then.
      seen.push(puppet.ask(GET, 0, 'x').text);
      return 0;
    });
    assert.deepEqual(seen, [0, Status.BadArgument, Status.Ok, 'y']);
    assert.deepEqual(fixture.log, ['2 wasm log: in the allocator']);
  });

  test('S110: a trap inside the allocator ends the callback and the VM', () => {
    const fixture = startStream();
    const { puppet, vm } = fixture;
    let after = false;
    const status = inRequestHeaders(fixture, requestHeaders(), () => {
      puppet.allocatorAnswer = () => {
        throw new WebAssembly.RuntimeError('unreachable');
      };
      puppet.ask(GET, 0, ':path');
      after = true;
      return 0;
    });
    assert.equal(status, -1);
    assert.equal(after, false);
    assert.equal(vm.failure?.callback, 'proxy_on_request_headers');
  });
});
