import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpConnectionManager } from '../../descriptor/types.ts';
import { errorsOf, load, type Parts, warningsOf } from '../../fixtures/sample.ts';
import type { LoadResult } from '../bootstrap.ts';

const managerOf = ({ bootstrap }: LoadResult) =>
  bootstrap!.staticResources!.listeners[0]!.filterChains[0]!.filters[0]!.typedConfig!
    .value as HttpConnectionManager;

const OAUTH = 'type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2';

test('untyped extensions known by name, old or new, get their type with a warning', () => {
  for (const name of ['envoy.filters.http.router', 'envoy.router']) {
    for (const typed of [{}, { typed_config: {} }]) {
      const change = ({ manager }: Parts) => {
        manager.http_filters = [{ name, ...typed }];
      };
      const [filter] = managerOf(load(change)).httpFilters;
      assert.equal(filter!.typedConfig!.typeName, 'envoy.extensions.filters.http.router.v3.Router');
      assert.match(warningsOf(change)[0]!, /has no typed_config with a type; taken by its name as/);
    }
  }
});

test("an untyped extension of unknown name is refused in Envoy's words", () => {
  assert.deepEqual(
    errorsOf(({ manager }) => {
      manager.http_filters.unshift({ name: 'my.filter' });
    }),
    ["HCM.http_filters[0]: Didn't find a registered implementation for 'my.filter' with type URL: ''"],
  );
});

test('the type selects, the name is a label', () => {
  assert.deepEqual(
    errorsOf(({ manager }) => {
      manager.http_filters[0].name = 'anything';
    }),
    [],
  );
});

test('an extension that is not implemented is refused with what there is', () => {
  const { errors } = load(({ manager }) => {
    manager.http_filters.unshift({ name: 'o', typed_config: { '@type': OAUTH } });
  });
  assert.equal(errors.length, 1);
  assert.equal(
    errors[0]!.message,
    `Didn't find a registered implementation for 'o' with type URL: '${OAUTH}'`,
  );
  assert.match(errors[0]!.hint, /^known here: envoy\.filters\.http\.router, /);
});

test('optional extensions that are unknown or not implemented are skipped with a warning', () => {
  for (const typed_config of [
    { '@type': OAUTH, nothing: undefined },
    { '@type': 't/my.Own', a: 1 },
    { '@type': 't/xds.type.v3.TypedStruct', type_url: 't/my.Own' },
  ]) {
    const change = ({ manager }: Parts) => {
      manager.http_filters.unshift({ name: 'o', is_optional: true, typed_config });
    };
    const result = load(change);
    assert.deepEqual(result.errors, []);
    assert.deepEqual(
      managerOf(result).httpFilters.map(({ name }) => name),
      ['envoy.filters.http.router'],
    );
    assert.equal(result.warnings.length, 1);
  }
});

test('paths keep their indexes while extensions are skipped', () => {
  const errors = errorsOf(({ manager }) => {
    manager.http_filters.unshift(
      { name: 'o', is_optional: true, typed_config: { '@type': OAUTH } },
      {
        name: 'f',
        typed_config: { '@type': 't/envoy.extensions.filters.http.fault.v3.HTTPFault', abort: {} },
      },
    );
  });
  assert.match(errors[0]!, /^HCM\.http_filters\[1\]\.typed_config\.abort: /);
});

test('a route configuration of unknown type is refused, an optional one left out', () => {
  const perRoute =
    (config: object) =>
    ({ route }: Parts) => {
      route.typed_per_filter_config = { x: config };
    };
  assert.equal(errorsOf(perRoute({ '@type': OAUTH })).length, 1);
  const optional = {
    '@type': 't/envoy.config.route.v3.FilterConfig',
    is_optional: true,
    config: { '@type': 't/my.Own' },
  };
  const result = load(perRoute(optional));
  assert.deepEqual(result.errors, []);
  const route = managerOf(result).routeConfig!.virtualHosts[0]!.routes[0]!;
  assert.equal((route.typedPerFilterConfig.x!.value as { config?: object }).config, undefined);
});
