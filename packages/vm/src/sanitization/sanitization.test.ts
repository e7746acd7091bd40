// What a plugin with rules reaches through its host calls, and what it is told about the rest.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePairs, Status } from '@dragoman/abi';
import { writeField } from '../foreign/protobuf.ts';
import { standardForeignFunctions } from '../foreign/standard-functions.ts';
import type { HeaderList } from '../header-list.ts';
import { type FixtureOptions, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';
import type { SanitizationRules } from './rules.ts';

const GET = 'proxy_get_header_map_value';

/** Runs `inside` in request headers of a plugin with those rules. */
function withRules(
  sanitization: SanitizationRules,
  inside: (fixture: ReturnType<typeof startStream>) => void,
  options: FixtureOptions & { headers?: HeaderList } = {},
) {
  const fixture = startStream({ ...options, vm: { sanitization } });
  inRequestHeaders(fixture, options.headers ?? requestHeaders(['x-team', 'a'], ['cookie', 'secret']), () => {
    inside(fixture);
    return 0;
  });
  return fixture;
}

describe('headers that a plugin may read', () => {
  test('hidden ones look absent, one by one and all together, also in the size', () => {
    const seen: unknown[] = [];
    withRules({ readHeaders: [':path', 'x-*'] }, ({ puppet }) => {
      seen.push(
        puppet.ask(GET, 0, ':path').text,
        puppet.ask(GET, 0, 'X-Team').text,
        puppet.ask(GET, 0, 'cookie').status,
      );
      seen.push(puppet.ask('proxy_get_header_map_pairs', 0).text);
      puppet.call('proxy_get_header_map_size', 0, puppet.slot(0));
      seen.push(puppet.u32(0));
    });
    const shown = [':path', '/path?q=1', 'x-team', 'a'];
    assert.deepEqual(seen, [
      '/path?q=1',
      'a',
      Status.NotFound,
      encodePairs(shown).toString('latin1'),
      shown.join('').length,
    ]);
  });

  test('properties do not show them either', () => {
    const statuses: Record<string, number> = {};
    withRules({ readHeaders: ['x-team', ':method'] }, ({ puppet, streamHost }) => {
      const paths = [
        'request.headers.x-team',
        'request.headers.cookie',
        'request.headers.Cookie',
        'request.headers',
        'response.headers.set-cookie',
        'request.path',
        'request.query',
        'request.method',
        'request.useragent',
        'source.address',
      ];
      for (const path of paths) {
        streamHost.properties.set(path, Buffer.from('value'));
        statuses[path] = puppet.ask('proxy_get_property', path.replaceAll('.', '\0')).status;
      }
    });
    assert.deepEqual(
      Object.keys(statuses).filter(path => statuses[path] === Status.Ok),
      ['request.headers.x-team', 'request.method', 'source.address'],
    );
    assert.equal(statuses['request.headers'], Status.NotFound);
  });
});

describe('headers that a plugin may write', () => {
  test('others stay as they are: BAD_ARGUMENT, one log line for each name', () => {
    const headers = requestHeaders(['x-team', 'a'], ['cookie', 'secret']);
    const statuses: number[] = [];
    const { log } = withRules(
      { writeHeaders: ['x-*'] },
      ({ puppet }) => {
        statuses.push(
          puppet.call('proxy_replace_header_map_value', 0, 'x-team', 'b'),
          puppet.call('proxy_add_header_map_value', 0, 'X-New', '1'),
          puppet.call('proxy_replace_header_map_value', 0, 'cookie', 'mine'),
          puppet.call('proxy_add_header_map_value', 0, 'cookie', 'mine'),
          puppet.call('proxy_remove_header_map_value', 0, 'cookie'),
          puppet.call('proxy_replace_header_map_value', 0, ':path', '/admin'),
        );
      },
      { headers },
    );
    assert.deepEqual(statuses, [
      Status.Ok,
      Status.Ok,
      Status.BadArgument,
      Status.BadArgument,
      Status.Ok,
      Status.BadArgument,
    ]);
    assert.deepEqual(
      [headers.get('x-team'), headers.get('x-new'), headers.get('cookie'), headers.get(':path')],
      ['b', '1', 'secret', '/path?q=1'],
    );
    assert.deepEqual(log, [
      '4 Attempted access to restricted header "cookie" by a plugin of VM "vm"',
      '4 Attempted access to restricted header ":path" by a plugin of VM "vm"',
    ]);
  });

  test('set_pairs that gives back what was read is OK; what may not be written outlasts it', () => {
    const headers = requestHeaders(['x-team', 'a'], ['x-old', '1'], ['cookie', 'secret']);
    const statuses: number[] = [];
    const { log } = withRules(
      { writeHeaders: ['x-*'], readHeaders: ['x-*', ':path'] },
      ({ puppet }) => {
        const all = encodePairs([':path', '/path?q=1', 'x-team', 'b']);
        statuses.push(puppet.call('proxy_set_header_map_pairs', 0, all));
        statuses.push(puppet.call('proxy_set_header_map_pairs', 0, encodePairs([':path', '/admin'])));
      },
      { headers },
    );
    assert.deepEqual(statuses, [Status.Ok, Status.BadArgument]);
    assert.deepEqual(
      headers.toArray().map(([name]) => name),
      [':authority', ':path', ':method', ':scheme', 'cookie'],
    );
    assert.equal(headers.get(':path'), '/path?q=1');
    assert.equal(log.length, 1);
  });

  test('a local response goes without them', () => {
    const { streamHost } = withRules({ writeHeaders: ['x-*'] }, ({ puppet }) => {
      const pairs = encodePairs(['X-Team', 'a', 'Set-Cookie', 'mine']);
      puppet.call('proxy_send_local_response', 403, '', '', pairs, -1);
    });
    assert.deepEqual(streamHost.response?.headers, ['x-team', 'a']);
  });
});

describe('what else a plugin may reach', () => {
  test('clusters: a call to another one is INTERNAL_FAILURE and not made', () => {
    const called: string[] = [];
    const callout = { cancel: () => {}, send: () => {}, close: () => {} };
    const start = ({ upstream }: { upstream: string }) => {
      called.push(upstream);
      return callout;
    };
    const statuses: number[] = [];
    const request = encodePairs([':path', '/', ':method', 'GET', ':authority', 'a']);
    const service = (field: number, name: string) => writeField(field, writeField(1, Buffer.from(name)));
    withRules(
      { clusters: ['auth', 'team-*'] },
      ({ puppet }) => {
        const http = (name: string) =>
          statuses.push(puppet.call('proxy_http_call', name, request, '', '', 0, puppet.slot(0)));
        const grpc = (upstream: string | Buffer) =>
          statuses.push(puppet.call('proxy_grpc_call', upstream, 's', 'm', '', '', 0, puppet.slot(0)));
        http('auth');
        http('team-1');
        http('internal');
        grpc('auth');
        grpc(service(1, 'auth'));
        grpc(service(1, 'internal'));
        grpc(service(2, 'metadata.internal:80'));
        // Begins like an allowed name, and is a service with a field nobody knows before the one that counts.
        grpc(Buffer.concat([Buffer.from('a0123456', 'latin1'), Buffer.from([0]), service(1, 'internal')]));
        statuses.push(puppet.call('proxy_grpc_stream', 'internal', 's', 'm', '', puppet.slot(0)));
      },
      { host: { httpCall: start, grpcCall: start, grpcStream: start } },
    );
    const [ok, no] = [Status.Ok, Status.InternalFailure];
    assert.deepEqual(statuses, [ok, ok, no, ok, ok, no, no, no, no]);
    assert.equal(called.length, 4);
  });

  test('properties: others are NOT_FOUND, and INTERNAL_FAILURE to set; its own names stay readable', () => {
    const seen: unknown[] = [];
    const { streamHost } = withRules(
      { readProperties: ['source.*', 'request.path'], writeProperties: ['team.*'] },
      ({ puppet, streamHost }) => {
        for (const path of ['source.address', 'request.path', 'request.time', 'xds.node'])
          streamHost.properties.set(path, Buffer.from(path));
        for (const path of [
          'source.address',
          'request.path',
          'request.time',
          'xds.node',
          'plugin_name',
          'source',
        ])
          seen.push(puppet.ask('proxy_get_property', path.replaceAll('.', '\0')).status);
        seen.push(
          puppet.call('proxy_set_property', 'team\0a', '1'),
          puppet.call('proxy_set_property', 'other', '1'),
        );
      },
    );
    assert.deepEqual(seen, [0, 0, 1, 1, 0, 1, 0, Status.InternalFailure]);
    assert.equal(streamHost.properties.has('other'), false);
  });

  test('shared data: others are NOT_FOUND, and INTERNAL_FAILURE to set', () => {
    const seen: number[] = [];
    const { host } = withRules({ sharedData: ['team/*'] }, ({ puppet, host }) => {
      host.sharedData.set('vm', 'other', Buffer.from('1'), 0);
      seen.push(
        puppet.call('proxy_set_shared_data', 'team/a', 'v', 0),
        puppet.ask('proxy_get_shared_data', 'team/a').status,
      );
      seen.push(
        puppet.call('proxy_set_shared_data', 'other', 'v', 0),
        puppet.call('proxy_get_shared_data', 'other', puppet.slot(0), puppet.slot(1), puppet.slot(2)),
      );
    });
    assert.deepEqual([seen[0], seen[2], seen[3]], [Status.Ok, Status.InternalFailure, Status.NotFound]);
    assert.equal(host.sharedData.get('vm', 'other')?.value.toString(), '1');
  });

  test('foreign functions: next to other rules only those that reach nothing, unless they are listed', () => {
    const foreignFunctions = new Map([
      ...standardForeignFunctions,
      ['reach_anything', () => ({ status: Status.Ok, result: null })],
    ]);
    const statuses = (rules: SanitizationRules) => {
      const seen: number[] = [];
      withRules(
        rules,
        ({ puppet }) => {
          for (const name of ['compress', 'reach_anything'])
            seen.push(puppet.call('proxy_call_foreign_function', name, 'x', 0, 0));
        },
        { host: { foreignFunctions } },
      );
      return seen;
    };
    assert.deepEqual(statuses({}), [Status.Ok, Status.Ok]);
    assert.deepEqual(statuses({ readHeaders: ['*'] }), [Status.Ok, Status.NotFound]);
    assert.deepEqual(statuses({ readHeaders: [], foreignFunctions: ['reach_*'] }), [
      Status.NotFound,
      Status.Ok,
    ]);
  });

  test('no more than a hundred refusals are logged', () => {
    const { log } = withRules({ sharedData: [] }, ({ puppet }) => {
      for (let i = 0; i < 300; i++) puppet.call('proxy_set_shared_data', `key ${i}`, '', 0);
    });
    assert.equal(log.length, 100);
  });
});
