import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { inRequestHeaders, requestHeaders, startStream, startVm } from '../testing/fixture.ts';

describe('logging and time', () => {
  test('S89: level 6 is BAD_ARGUMENT, level 5 is written, bytes that are no UTF-8 harm nobody', () => {
    const fixture = startStream();
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      for (const level of [6, -1, 9, 5]) seen.push(fixture.puppet.call('proxy_log', level, 'text'));
      seen.push(
        fixture.puppet.call('proxy_log', 2, Buffer.from([0xff, 0x41])),
        fixture.puppet.call('proxy_log', 2, ''),
      );
      return 0;
    });
    assert.deepEqual(seen, [2, 2, 2, 0, 0, 0]);
    assert.deepEqual(
      fixture.log,
      ['5', '2', '2'].map((level, i) => `${level} wasm log plugin root vm: ${['text', '\ufffdA', ''][i]}`),
    );
  });

  test('the prefix names plugin, root id and VM id, without the parts that are empty; a root leaves out the plugin', () => {
    const fixture = startStream({ vm: { vmId: '' }, root: { name: 'p', rootId: 'r' } });
    inRequestHeaders(fixture, requestHeaders(), () => {
      fixture.puppet.call('proxy_log', 2, 'stream');
      fixture.puppet.call('proxy_set_effective_context', fixture.root.id);
      return fixture.puppet.call('proxy_log', 2, 'root');
    });
    assert.deepEqual(fixture.log, ['2 wasm log p r: stream', '2 wasm log r: root']);
  });

  test('S13: proxy_log works in _initialize, other calls answer a status', () => {
    const seen: number[] = [];
    const { log } = startVm({
      callbacks: [{ name: '_initialize', type: '>' }],
      prepare: puppet => {
        puppet.on._initialize = () => {
          seen.push(puppet.call('proxy_log', 2, 'starting'));
          seen.push(puppet.ask('proxy_get_property', 'plugin_name').status);
          seen.push(puppet.ask('proxy_get_header_map_value', 0, ':path').status);
          seen.push(puppet.call('proxy_http_call', 'a', '', '', '', 0, 16));
          return 0;
        };
      },
    });
    assert.deepEqual(log, ['2 wasm log: starting']);
    assert.deepEqual(seen, [Status.Ok, Status.NotFound, Status.BadArgument, Status.InternalFailure]);
  });

  for (const lowest of [0, 3, 6]) {
    test(`proxy_get_log_level is ${lowest} when that is the lowest level written`, () => {
      const fixture = startStream({ host: { logEnabled: level => level >= lowest } });
      let seen = -1;
      inRequestHeaders(fixture, requestHeaders(), () => {
        fixture.puppet.call('proxy_get_log_level', fixture.puppet.slot(0));
        seen = fixture.puppet.u32(0);
        fixture.puppet.call('proxy_log', 2, 'text');
        return 0;
      });
      assert.equal(seen, lowest);
      assert.equal(fixture.log.length, lowest <= 2 ? 1 : 0);
    });
  }

  test('the current time is nanoseconds of the wall clock', () => {
    const fixture = startStream();
    let seen = 0n;
    const statuses: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      statuses.push(fixture.puppet.call('proxy_get_current_time_nanoseconds', fixture.puppet.slot(0)));
      seen = fixture.puppet.u64(0);
      statuses.push(
        fixture.puppet.call('proxy_get_current_time_nanoseconds', fixture.puppet.memory.length - 4),
      );
      return 0;
    });
    assert.equal(seen, 1_700_000_000_000_250_000n);
    assert.deepEqual(statuses, [0, Status.InvalidMemoryAccess]);
  });
});
