import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PluginStartError } from '../errors.ts';
import { HeaderList } from '../header-list.ts';
import { MemoryBody } from '../memory-body.ts';
import { RecordingStream, requestHeaders, startStream, startVm } from '../testing/fixture.ts';

const rootOptions = { name: 'plugin', rootId: 'root', configuration: Buffer.from('conf') };
const response = () => HeaderList.from({ ':status': '200' });

describe('root contexts', () => {
  test('S17: the first root id is 1; create, vm_start, configure with the sizes of the configurations', () => {
    const { puppet, vm } = startVm({ vm: { vmConfiguration: Buffer.from('vm conf') } });
    vm.startRoot(rootOptions);
    assert.deepEqual(puppet.trace, [
      'proxy_on_context_create(1, 0)',
      'proxy_on_vm_start(1, 7)',
      'proxy_on_configure(1, 4)',
    ]);
  });

  test('S18: a second plugin on the VM has a new root id, and vm_start is called again', () => {
    const { puppet, vm } = startVm();
    vm.startRoot(rootOptions);
    puppet.trace.length = 0;
    vm.startRoot({ ...rootOptions, configuration: Buffer.from('other conf') });
    assert.deepEqual(puppet.trace, [
      'proxy_on_context_create(2, 0)',
      'proxy_on_vm_start(2, 0)',
      'proxy_on_configure(2, 10)',
    ]);
  });

  for (const callback of ['proxy_on_vm_start', 'proxy_on_configure']) {
    test(`S19: ${callback} answering 0 refuses the plugin, naming it`, () => {
      const { vm } = startVm({ prepare: puppet => (puppet.on[callback] = () => 0) });
      assert.throws(
        () => vm.startRoot(rootOptions),
        (error: Error) => {
          assert.ok(error instanceof PluginStartError);
          assert.equal(error.message, `plugin plugin (root id "root"): ${callback} returned false`);
          return true;
        },
      );
    });

    test(`S19: a trap in ${callback} refuses the plugin with the reason`, () => {
      const { vm, log } = startVm({
        prepare: puppet => {
          puppet.on[callback] = () => {
            throw new WebAssembly.RuntimeError('unreachable');
          };
        },
      });
      assert.throws(
        () => vm.startRoot(rootOptions),
        new RegExp(`${callback} failed: RuntimeError: unreachable`),
      );
      assert.equal(
        log[0],
        `4 Function: ${callback} failed: Uncaught RuntimeError: unreachable [cause: trap, plugin: plugin]`,
      );
    });
  }

  test('S26: on_done answering 0 puts delete off until proxy_done, which runs it after its callback', () => {
    const fixture = startStream({ prepare: puppet => (puppet.on.proxy_on_done = () => 0) });
    const { puppet, root, clock } = fixture;
    let deleted = 0;
    root.onDeleted = () => deleted++;
    fixture.stream.end();
    root.setTickPeriod(5);
    puppet.trace.length = 0;
    root.shutdown();
    assert.deepEqual(puppet.trace, ['proxy_on_done(1)']);
    let status = -1;
    puppet.on.proxy_on_tick = () => {
      status = puppet.call('proxy_done');
      puppet.trace.push('tick returns');
      return 0;
    };
    clock.advance(5);
    assert.equal(status, 0);
    assert.deepEqual(puppet.trace, [
      'proxy_on_done(1)',
      'proxy_on_tick(1)',
      'tick returns',
      'proxy_on_delete(1)',
    ]);
    assert.equal(deleted, 1);
    assert.equal(clock.timerCount, 0);
  });

  test('S26: on_done answering 1 deletes at once', () => {
    const { puppet, root, vm } = startStream();
    puppet.trace.length = 0;
    root.shutdown();
    assert.deepEqual(puppet.trace, ['proxy_on_done(1)', 'proxy_on_delete(1)']);
    assert.equal(vm.context(1), undefined);
  });

  test('S86: a tick set by a stream comes to the root, again and again, never at once; 0 stops it', () => {
    const fixture = startStream();
    const { puppet, clock } = fixture;
    puppet.on.proxy_on_request_headers = () => puppet.call('proxy_set_tick_period_milliseconds', 10);
    fixture.stream.onRequestHeaders(requestHeaders(), true);
    puppet.trace.length = 0;
    clock.advance(9);
    assert.deepEqual(puppet.trace, []);
    clock.advance(11);
    assert.deepEqual(puppet.trace, ['proxy_on_tick(1)', 'proxy_on_tick(1)']);
    puppet.on.proxy_on_tick = () => puppet.call('proxy_set_tick_period_milliseconds', 0);
    clock.advance(100);
    assert.equal(puppet.trace.length, 3);
    assert.equal(clock.timerCount, 0);
  });

  test('ticks that take longer than they are apart leave the thread as much time as they take', () => {
    const { puppet, clock, root } = startStream();
    root.setTickPeriod(1);
    puppet.on.proxy_on_tick = () => void (clock.now += 30);
    clock.advance(1);
    // The clock's own step ends where it was to end.
    clock.now += 30;
    puppet.trace.length = 0;
    clock.advance(29);
    assert.equal(puppet.trace.length, 0);
    clock.advance(1);
    assert.equal(puppet.trace.length, 1);
  });

  test('S86: a new period restarts the timer', () => {
    const { puppet, root, clock } = startStream();
    root.setTickPeriod(10);
    clock.advance(8);
    root.setTickPeriod(20);
    clock.advance(19);
    assert.deepEqual(puppet.trace, []);
    clock.advance(1);
    assert.deepEqual(puppet.trace, ['proxy_on_tick(1)']);
  });
});

describe('stream contexts', () => {
  test('S22: announced with the root as parent, once, with an id of the same counter', () => {
    const { puppet, vm } = startVm();
    const root = vm.startRoot(rootOptions);
    puppet.trace.length = 0;
    const stream = vm.newStream();
    stream.begin(root, new RecordingStream());
    stream.onRequestHeaders(requestHeaders(), true);
    assert.deepEqual(puppet.trace, ['proxy_on_context_create(2, 1)', 'proxy_on_request_headers(2, 4, 1)']);
  });

  test('S23, S25: log, done, delete, each once, whatever done answers', () => {
    const { puppet, stream, vm } = startStream({ prepare: guest => (guest.on.proxy_on_done = () => 0) });
    stream.onLog(requestHeaders(), response(), null);
    stream.end();
    stream.end();
    assert.deepEqual(puppet.trace, ['proxy_on_log(2)', 'proxy_on_done(2)', 'proxy_on_delete(2)']);
    assert.equal(vm.contextCount, 1);
  });

  test('S29: ids of living contexts never repeat; the object of an ended stream serves the next one', () => {
    const { root, stream, vm } = startStream();
    const other = vm.newStream();
    other.begin(root, new RecordingStream());
    const ids = [root.id, stream.id, other.id];
    stream.end();
    stream.begin(root, new RecordingStream());
    ids.push(stream.id);
    assert.deepEqual(ids, [1, 2, 3, 4]);
  });

  test('S61: a request without body is announced with end_of_stream 1 and 0.1.0 guests may ignore it', () => {
    const { puppet, stream } = startStream();
    stream.onRequestHeaders(requestHeaders(), true);
    stream.onResponseHeaders(response(), false);
    assert.deepEqual(puppet.trace, [
      'proxy_on_request_headers(2, 4, 1)',
      'proxy_on_response_headers(2, 1, 0)',
    ]);
  });

  test('S15: a guest whose header callbacks take two parameters is called with two', () => {
    const { puppet, stream } = startStream({
      markers: ['proxy_abi_version_0_1_0'],
      callbacks: [{ name: 'proxy_on_request_headers', type: 'ii>i' }],
    });
    assert.equal(stream.onRequestHeaders(requestHeaders(), true), 0);
    assert.deepEqual(puppet.trace, ['proxy_on_request_headers(2, 4)']);
  });

  test('S15: a 0.1.0 guest whose header callbacks take three parameters gets end_of_stream', () => {
    const { puppet, stream } = startStream({ markers: ['proxy_abi_version_0_1_0'] });
    stream.onRequestHeaders(requestHeaders(), true);
    assert.deepEqual(puppet.trace, ['proxy_on_request_headers(2, 4, 1)']);
  });

  test('S16: a guest without any callback lets everything pass', () => {
    const { stream, root, vm } = startStream({ callbacks: [] });
    assert.deepEqual(
      [
        stream.onRequestHeaders(requestHeaders(), false),
        stream.onRequestBody(new MemoryBody('x'), true),
        stream.onResponseHeaders(response(), false),
        stream.onResponseTrailers(new HeaderList()),
      ],
      [0, 0, 0, 0],
    );
    stream.onLog(requestHeaders(), response(), null);
    stream.end();
    root.shutdown();
    assert.equal(vm.contextCount, 0);
  });

  test('a callback exported without a result continues; start callbacks without one mean success', () => {
    const callbacks = ['proxy_on_vm_start', 'proxy_on_configure', 'proxy_on_request_headers'].map(name => ({
      name,
      type: name.endsWith('headers') ? 'iii>' : 'ii>',
    }));
    const { stream } = startStream({ callbacks });
    assert.equal(stream.onRequestHeaders(requestHeaders(), true), 0);
  });

  test('S72: TCP callbacks: new connection, data both ways, close; any answer but 0 pauses', () => {
    const { puppet, stream } = startStream();
    puppet.on.proxy_on_downstream_data = () => 7;
    let seen: unknown;
    puppet.on.proxy_on_upstream_data = () => {
      seen = puppet.ask('proxy_get_buffer_bytes', 3, 0, 99).text;
      return 0;
    };
    assert.deepEqual(
      [
        stream.onNewConnection(),
        stream.onDownstreamData(new MemoryBody('abc'), false),
        stream.onUpstreamData(new MemoryBody('up'), true),
      ],
      [0, 1, 0],
    );
    stream.onDownstreamConnectionClose(2);
    stream.onUpstreamConnectionClose(0);
    stream.end();
    assert.deepEqual(puppet.trace, [
      'proxy_on_new_connection(2)',
      'proxy_on_downstream_data(2, 3, 0)',
      'proxy_on_upstream_data(2, 2, 1)',
      'proxy_on_downstream_connection_close(2, 2)',
      'proxy_on_upstream_connection_close(2, 0)',
      'proxy_on_done(2)',
      'proxy_on_delete(2)',
    ]);
    assert.equal(seen, 'up');
  });

  test('S24: the end of a connection is connection_close, done, log, delete, once each', () => {
    const { puppet, stream, vm } = startStream();
    stream.onNewConnection();
    stream.onDownstreamConnectionClose(2);
    stream.endConnection();
    stream.endConnection();
    assert.deepEqual(puppet.trace, [
      'proxy_on_new_connection(2)',
      'proxy_on_downstream_connection_close(2, 2)',
      'proxy_on_done(2)',
      'proxy_on_log(2)',
      'proxy_on_delete(2)',
    ]);
    assert.equal(vm.contextCount, 1);
  });

  test('the context of a stream that has ended is used again, by this instance and while it lives', () => {
    const { vm, root, stream, puppet } = startStream();
    stream.end();
    vm.reuseStream(stream);
    assert.equal(vm.newStream(), stream);
    stream.begin(root, new RecordingStream());
    assert.equal(stream.id, 3);
    puppet.on.proxy_on_request_headers = () => {
      throw new WebAssembly.RuntimeError('unreachable');
    };
    stream.onRequestHeaders(requestHeaders(), true);
    assert.equal(stream.diedHere, true);
    stream.end();
    vm.reuseStream(stream);
    assert.notEqual(vm.newStream(), stream);
  });

  test('a stream that the guest has changed or answered says so', () => {
    for (const [call, ...args] of [
      ['proxy_add_header_map_value', 0, 'x', 'y'],
      ['proxy_remove_header_map_value', 0, 'x'],
      ['proxy_send_local_response', 200, '', '', '', -1],
    ] as const) {
      const { puppet, stream } = startStream();
      puppet.on.proxy_on_request_headers = () => {
        puppet.ask('proxy_get_header_map_value', 0, ':path');
        assert.equal(stream.mutated, false);
        puppet.call(call, ...args);
        return 0;
      };
      stream.onRequestHeaders(requestHeaders(), true);
      assert.equal(stream.mutated, true, call);
    }
  });
});
