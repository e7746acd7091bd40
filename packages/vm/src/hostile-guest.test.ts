// Random arguments at every host call, in every phase: a status comes back, nothing of the host breaks, and the guest's
// memory is written only where the call may write.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOST_CALLS, WASI_FUNCTIONS, WASI_MODULES } from '@dragoman/abi';
import type { Puppet } from '@dragoman/testkit';
import fc from 'fast-check';
import { HeaderList } from './header-list.ts';
import { MemoryBody } from './memory-body.ts';
import { requestHeaders, startStream } from './testing/fixture.ts';
import type { VmOptions } from './vm.ts';

/** Addresses near the edges, small numbers, and anything. */
const number = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    16,
    1024,
    0x3fff0,
    0x3ffff,
    0x40000,
    0x40001,
    0x7fffffff,
    -0x80000000,
    -1,
    -2,
    -16,
  ),
  fc.nat({ max: 0x40010 }),
  fc.integer(),
);
const argument = (letter: string) =>
  letter === 'I' ? fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) : number;
const ALL_CALLS = [...HOST_CALLS, ...WASI_FUNCTIONS];
const anyCall = fc
  .constantFrom(...ALL_CALLS)
  .chain(({ name, type }) =>
    fc.tuple(fc.constant(name), fc.tuple(...[...type.slice(0, type.indexOf('>'))].map(argument))),
  );
const phase = fc.constantFrom(
  'headers',
  'body',
  'trailers',
  'response',
  'log',
  'tick',
  'configure',
  'allocator',
);

/** What the plugin has and may reach; and the WASI it was built for. */
const setting = fc.record({
  wasiModule: fc.constantFrom(...WASI_MODULES),
  vm: fc.constantFrom<Partial<VmOptions>>(
    {},
    { files: new Map([['/etc/rules', Buffer.from('rules')]]) },
    { sanitization: { readHeaders: [':*'], writeHeaders: ['x*'], clusters: [], sharedData: ['a*'] } },
    { sanitization: { readProperties: ['request.*'], writeProperties: [] } },
  ),
});

describe('hostile guests', () => {
  test('any call with any arguments in any phase answers a status and harms nobody', () => {
    const anyCalls = fc.array(anyCall, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(setting, phase, anyCalls, ({ wasiModule, vm: options }, when, calls) => {
        const prepare = (puppet: Puppet) => (puppet.allocatorAnswer = () => 0x20000);
        const fixture = startStream({ prepare, wasiModule, vm: options });
        const { puppet, root, stream, vm, clock } = fixture;
        const statuses: (number | undefined)[] = [];
        const attack = () => {
          // A tick can come again before the end: the calls are made once.
          if (statuses.length > 0) return 0;
          for (const [name, args] of calls) statuses.push(puppet.call(name, ...args));
          return 0;
        };
        runIn(when, attack, fixture);
        stream.end();
        clock.advance(1);
        assert.equal(vm.failure, null);
        assert.equal(statuses.length, calls.length);
        for (const status of statuses) assert.ok(status === undefined || (status >= 0 && status <= 76));
        root.shutdown();
      }),
      { numRuns: 1500 },
    );
  });
});

function runIn(
  when: string,
  attack: () => number,
  { puppet, root, stream, clock, vm }: ReturnType<typeof startStream>,
): void {
  const headers = requestHeaders(['x', 'y']);
  switch (when) {
    case 'headers':
      puppet.on.proxy_on_request_headers = attack;
      stream.onRequestHeaders(headers, false);
      break;
    case 'body':
      puppet.on.proxy_on_request_body = attack;
      stream.onRequestBody(new MemoryBody('a body'), true);
      break;
    case 'trailers':
      puppet.on.proxy_on_request_trailers = attack;
      stream.onRequestTrailers(headers);
      break;
    case 'response':
      puppet.on.proxy_on_response_headers = attack;
      stream.onResponseHeaders(HeaderList.from({ ':status': '200' }), false);
      break;
    case 'log':
      puppet.on.proxy_on_log = attack;
      stream.onLog(headers, headers, headers);
      break;
    case 'tick':
      puppet.on.proxy_on_tick = attack;
      root.setTickPeriod(1);
      clock.advance(1);
      puppet.on.proxy_on_tick = () => 0;
      break;
    case 'configure':
      puppet.on.proxy_on_configure = () => {
        attack();
        return 1;
      };
      vm.startRoot({ name: 'second', rootId: '', configuration: Buffer.from('conf') });
      break;
    default: {
      let attacked = false;
      puppet.allocatorAnswer = () => {
        if (!attacked) {
          attacked = true;
          attack();
        }
        return 0x20000;
      };
      puppet.on.proxy_on_request_headers = () => {
        puppet.ask('proxy_get_header_map_value', 0, ':path');
        return 0;
      };
      stream.onRequestHeaders(headers, false);
    }
  }
}
