import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lua } from '../../descriptor/types.ts';
import { errorsOf, load, warningsOf } from '../../fixtures/sample.ts';
import type { SupportDeclaration } from '../support/support.ts';

test('a field the proxy does not implement is refused by name, once, with its place', () => {
  const { errors } = load(({ cluster }) => {
    cluster.eds_cluster_config = { service_name: 'x' };
  });
  assert.equal(errors.length, 1);
  assert.equal(errors[0]!.message, 'not supported: envoy.config.cluster.v3.Cluster.eds_cluster_config');
  assert.equal(errors[0]!.path, 'static_resources.clusters[0].eds_cluster_config');
  assert.ok(errors[0]!.column > 100);
});

test('a value that is not implemented is refused with those that are', () => {
  const { errors } = load(({ cluster }) => {
    cluster.type = 'ORIGINAL_DST';
  });
  assert.equal(errors[0]!.message, 'not supported: type: ORIGINAL_DST');
  assert.match(errors[0]!.expected, /STATIC or STRICT_DNS or LOGICAL_DNS/);
});

test('a field set to its default is as good as unset', () => {
  assert.deepEqual(
    errorsOf(({ cluster }) => {
      cluster.connection_pool_per_downstream_connection = false;
    }),
    [],
  );
  assert.equal(
    errorsOf(({ cluster }) => {
      cluster.connection_pool_per_downstream_connection = true;
    }).length,
    1,
  );
});

test('harmless fields are accepted with a warning that says why', () => {
  const change = (_: unknown, whole: { watchdogs?: object }) => {
    whole.watchdogs = { main_thread_watchdog: { miss_timeout: '1s' } };
  };
  assert.deepEqual(errorsOf(change), []);
  assert.match(warningsOf(change)[0]!, /watchdogs: accepted and ignored: /);
});

test('deprecated fields are warned about', () => {
  const change = (_: unknown, whole: { admin?: object }) => {
    whole.admin = { access_log_path: '/dev/null' };
  };
  assert.deepEqual(errorsOf(change), []);
  assert.match(
    warningsOf(change)[0]!,
    /Using deprecated option 'envoy\.config\.bootstrap\.v3\.Admin\.access_log_path'/,
  );
});

test('the rules of the schema hold inside extensions, too', () => {
  assert.deepEqual(
    errorsOf(({ manager }) => {
      delete manager.stat_prefix;
    }),
    ['HCM.stat_prefix: value length must be at least 1 characters'],
  );
  const fault = {
    '@type': 't/envoy.extensions.filters.http.fault.v3.HTTPFault',
    abort: { http_status: 700, percentage: {} },
  };
  assert.match(
    errorsOf(({ manager }) => {
      manager.http_filters.unshift({ name: 'f', typed_config: fault });
    })[0]!,
    /abort\.http_status: value must be inside range \[200, 600\)$/,
  );
});

test("a plugin's configuration is its own affair", () => {
  const configuration = { '@type': 't/envoy.config.core.v3.SocketAddress' };
  const wasm = {
    '@type': 't/envoy.extensions.filters.http.wasm.v3.Wasm',
    config: { configuration, vm_config: { code: { local: { inline_string: '' } } } },
  };
  assert.deepEqual(
    errorsOf(({ manager }) => {
      manager.http_filters.unshift({ name: 'w', typed_config: wasm });
    }),
    [],
  );
});

test('declared support adds fields, extensions and checks by type', () => {
  const cors = 'envoy.extensions.filters.http.cors.v3.Cors';
  const lua = 'envoy.extensions.filters.http.lua.v3.Lua';
  const support: SupportDeclaration[] = [
    {
      extensions: {
        'envoy.filters.http': {
          [cors]: ['envoy.filters.http.cors', 'envoy.cors'],
          [lua]: ['envoy.filters.http.lua'],
        },
      },
      fields: { [lua]: '*' },
      checks: {
        [lua]: (message: Lua, report) => {
          if (message.defaultSourceCode?.inlineString === 'bad(')
            report(['default_source_code', 'inline_string'], 'script load error', 'balance it');
        },
      },
    },
  ];
  const filters = (...list: object[]) =>
    load(
      ({ manager }) => {
        manager.http_filters.unshift(...list);
      },
      { support },
    );
  assert.equal(filters({ name: 'envoy.cors' }).errors.length, 0);
  const { errors } = filters({
    name: 'x',
    typed_config: { '@type': `t/${lua}`, default_source_code: { inline_string: 'bad(' } },
  });
  assert.equal(errors.length, 1);
  assert.match(errors[0]!.path, /http_filters\[0\]\.typed_config\.default_source_code\.inline_string$/);
  assert.deepEqual([errors[0]!.message, errors[0]!.hint], ['script load error', 'balance it']);
  assert.equal(
    errorsOf(({ manager }) => {
      manager.http_filters.unshift({ name: 'envoy.cors' });
    }).length,
    1,
    'not without the declaration',
  );
});
