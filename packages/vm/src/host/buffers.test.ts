import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { MemoryBody } from '../memory-body.ts';
import { type Fixture, startStream, startVm } from '../testing/fixture.ts';

const GET = 'proxy_get_buffer_bytes';
const SET = 'proxy_set_buffer_bytes';
const STATUS = 'proxy_get_buffer_status';

function inRequestBody(fixture: Fixture, body: MemoryBody, inside: () => void): number {
  fixture.puppet.on.proxy_on_request_body = () => {
    inside();
    return 0;
  };
  return fixture.stream.onRequestBody(body, true);
}

describe('buffers', () => {
  for (const [start, max, expected] of [
    [0, 0xffffffff, 'hello'],
    [0, 0x7fffffff, 'hello'],
    [1, 3, 'ell'],
    [3, 100, 'lo'],
    [5, 1, ''],
    [6, 1, ''],
    [0xffffffff, 0xffffffff, ''],
  ] as const) {
    test(`S53: get(${start}, ${max}) of "hello" is "${expected}"`, () => {
      const fixture = startStream();
      let seen: unknown;
      inRequestBody(fixture, new MemoryBody('hello'), () => {
        seen = fixture.puppet.ask(GET, 0, start, max);
      });
      assert.deepEqual(seen, { status: 0, text: expected });
      assert.deepEqual(fixture.puppet.allocations, expected === '' ? [] : [expected.length]);
    });
  }

  for (const [what, start, length, expected] of [
    ['prepend', 0, 0, '<>hello'],
    ['append at 0x7fffffff', 0x7fffffff, 0, 'hello<>'],
    ['append at the end', 5, 3, 'hello<>'],
    ['replace all with 0x7fffffff', 0, 0x7fffffff, '<>'],
    ['replace all with 0xffffffff', 0, 0xffffffff, '<>'],
    ['replace the first two', 0, 2, '<>llo'],
  ] as const) {
    test(`S54: ${what}`, () => {
      const fixture = startStream();
      const body = new MemoryBody('hello');
      let status = -1;
      inRequestBody(fixture, body, () => {
        status = fixture.puppet.call(SET, 0, start, length, '<>');
      });
      assert.equal(status, Status.Ok);
      assert.equal(body.bytes.toString(), expected);
    });
  }

  test('S55: nothing can be put into the middle', () => {
    const fixture = startStream();
    const body = new MemoryBody('hello');
    let status = -1;
    inRequestBody(fixture, body, () => {
      status = fixture.puppet.call(SET, 0, 2, 0, '<>');
    });
    assert.equal(status, Status.BadArgument);
    assert.equal(body.bytes.toString(), 'hello');
  });

  test('S56: ids and phases that have no buffer', () => {
    const fixture = startStream();
    const { puppet } = fixture;
    const seen: Record<string, number> = {};
    puppet.on.proxy_on_request_headers = () => {
      seen['get 9'] = puppet.ask(GET, 9, 0, 1).status;
      seen['get -1'] = puppet.ask(GET, -1, 0, 1).status;
      seen['get 4'] = puppet.ask(GET, 4, 0, 1).status;
      seen['set 4'] = puppet.call(SET, 4, 0, 0, 'x');
      seen['get 0 early'] = puppet.ask(GET, 0, 0, 1).status;
      seen['set 0 early'] = puppet.call(SET, 0, 0, 0, 'x');
      seen['set 6'] = puppet.call(SET, 6, 0, 0, 'x');
      seen['get 5'] = puppet.ask(GET, 5, 0, 1).status;
      seen['status 9'] = puppet.call(STATUS, 9, puppet.slot(0), puppet.slot(1));
      seen['status 4'] = puppet.call(STATUS, 4, puppet.slot(0), puppet.slot(1));
      return 0;
    };
    fixture.stream.onRequestHeaders({ count: 0 } as never, true);
    assert.deepEqual(seen, {
      'get 9': 2,
      'get -1': 2,
      'get 4': 1,
      'set 4': 1,
      'get 0 early': 0,
      'set 0 early': 2,
      'set 6': 2,
      'get 5': 0,
      'status 9': 2,
      'status 4': 1,
    });
  });

  test('S63: the status of a buffer is its length and flags 0', () => {
    const fixture = startStream();
    const seen: number[] = [];
    inRequestBody(fixture, new MemoryBody('hello'), () => {
      fixture.puppet.clearSlots();
      seen.push(fixture.puppet.call(STATUS, 0, fixture.puppet.slot(0), fixture.puppet.slot(1)));
      seen.push(fixture.puppet.u32(0), fixture.puppet.u32(1));
    });
    assert.deepEqual(seen, [0, 5, 0]);
  });

  test('S21: buffer 7 in create and configure but not in a tick; buffer 6 always', () => {
    const { puppet, vm, clock } = startVm({ vm: { vmConfiguration: Buffer.from('vm conf') } });
    const seen: string[] = [];
    for (const name of [
      'proxy_on_context_create',
      'proxy_on_vm_start',
      'proxy_on_configure',
      'proxy_on_tick',
    ]) {
      puppet.on[name] = () => {
        seen.push(`${name} ${puppet.ask(GET, 7, 0, 99).text} ${puppet.ask(GET, 6, 0, 99).text}`);
        return 1;
      };
    }
    const root = vm.startRoot({ name: 'p', rootId: 'r', configuration: Buffer.from('conf') });
    root.setTickPeriod(1);
    clock.advance(1);
    assert.deepEqual(seen, [
      'proxy_on_context_create conf vm conf',
      'proxy_on_vm_start null vm conf',
      'proxy_on_configure conf vm conf',
      'proxy_on_tick null vm conf',
    ]);
  });

  test('S7: proxy_get_configuration of 0.1.0 answers the configuration of the phase', () => {
    const { puppet, vm } = startVm({
      markers: ['proxy_abi_version_0_1_0'],
      vm: { vmConfiguration: Buffer.from('vm conf') },
    });
    const seen: (string | null)[] = [];
    for (const name of ['proxy_on_context_create', 'proxy_on_vm_start', 'proxy_on_configure']) {
      puppet.on[name] = () => {
        seen.push(puppet.ask('proxy_get_configuration').text);
        return 1;
      };
    }
    vm.startRoot({ name: 'p', rootId: 'r', configuration: Buffer.from('conf') });
    assert.deepEqual(seen, ['conf', 'vm conf', 'conf']);
  });
});
