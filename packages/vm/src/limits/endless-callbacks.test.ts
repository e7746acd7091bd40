// Whichever callback of a guest does not end, is ended within its deadline, and named.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACKS } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';
import type { RootContext } from '../contexts/root-context.ts';
import type { StreamContext } from '../contexts/stream-context.ts';
import { HeaderList } from '../header-list.ts';
import { localHost } from '../local-host.ts';
import { MemoryBody } from '../memory-body.ts';
import { compileModuleSync } from '../module/plugin-module.ts';
import { RecordingStream, requestHeaders } from '../testing/fixture.ts';
import { Vm } from '../vm.ts';
import type { VmFailure } from '../vm-host.ts';
import { Guard } from './guard.ts';
import { WatchdogThread } from './watchdog-thread.ts';

const DEADLINES = { requestMs: 20, startMs: 1000, configureMs: 1000, tickMs: 30 };
/** How exactly deadlines are kept is tested where they are long: a machine that runs other tests wakes nobody on the millisecond. */
const LATEST_MS = 2000;

let watchdog: WatchdogThread;
const guard = new Guard();
before(() => {
  watchdog = new WatchdogThread();
  watchdog.watch(1, guard.memory);
});
after(() => watchdog.close());

/** How each callback is brought about. A call-out's token is 1. */
const EVENTS: Readonly<Record<string, (stream: StreamContext, root: RootContext) => unknown>> = {
  proxy_on_context_create: stream => stream.vm.newStream().begin(stream.root!, new RecordingStream()),
  proxy_on_request_headers: stream => stream.onRequestHeaders(requestHeaders(), true),
  proxy_on_request_body: stream => stream.onRequestBody(new MemoryBody('body'), true),
  proxy_on_request_trailers: stream => stream.onRequestTrailers(new HeaderList()),
  proxy_on_response_headers: stream => stream.onResponseHeaders(new HeaderList(), true),
  proxy_on_response_body: stream => stream.onResponseBody(new MemoryBody('body'), true),
  proxy_on_response_trailers: stream => stream.onResponseTrailers(new HeaderList()),
  proxy_on_new_connection: stream => stream.onNewConnection(),
  proxy_on_downstream_data: stream => stream.onDownstreamData(new MemoryBody('data'), false),
  proxy_on_upstream_data: stream => stream.onUpstreamData(new MemoryBody('data'), false),
  proxy_on_downstream_connection_close: stream => stream.onDownstreamConnectionClose(1),
  proxy_on_upstream_connection_close: stream => stream.onUpstreamConnectionClose(1),
  proxy_on_log: stream => stream.onLog(null, null, null),
  proxy_on_done: stream => stream.end(),
  proxy_on_delete: stream => stream.end(),
  proxy_on_queue_ready: (_stream, root) => root.onQueueReady(1),
  proxy_on_http_call_response: (_stream, root) => {
    root.addCallout(1, { cancel: () => {} });
    root.onHttpCallDone(1, null);
  },
  proxy_on_grpc_close: (_stream, root) => {
    root.addCallout(1, { cancel: () => {} });
    root.grpcListener(1, false).onClose(0, '');
  },
};

/** A guest whose `name` runs for ever. The creation of the root context passes: it is context 1. */
function guestWith(name: string): Vm {
  const module = new ModuleBuilder();
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  const { type } = CALLBACKS.find(callback => callback.name === name)!;
  const unlessFirst = [...op.get(0), ...op.i32(1), 0x47, 0x04, 0x40, ...op.forever, 0x0b];
  const body = name === 'proxy_on_context_create' ? unlessFirst : op.forever;
  module.function(type, [...body, ...(type.endsWith('i') ? op.i32(1) : [])], name);
  module.memory({ minimum: 1 });
  failures.length = 0;
  const host = { ...localHost({ onFailure: failure => failures.push(failure) }), guard };
  return Vm.start(compileModuleSync(module.build(), { limited: true }), host, { deadlines: DEADLINES });
}
const failures: VmFailure[] = [];

describe('an endless loop', () => {
  for (const [name, happen] of Object.entries(EVENTS)) {
    test(`in ${name} is ended`, () => {
      const vm = guestWith(name);
      const root = vm.startRoot({ name: 'plugin', rootId: '', configuration: Buffer.alloc(0) });
      const stream = vm.newStream();
      if (name !== 'proxy_on_context_create') stream.begin(root, new RecordingStream());
      else stream.root = root;
      const startMs = performance.now();
      happen(stream, root);
      const tookMs = performance.now() - startMs;
      assert.deepEqual(
        failures.map(({ cause, callback, plugin }) => [cause, callback, plugin]),
        [['deadline', name, 'plugin']],
      );
      assert.ok(tookMs < LATEST_MS, `after ${tookMs} ms`);
    });
  }
});
