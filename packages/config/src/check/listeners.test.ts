import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf, ROUTER } from '../../fixtures/sample.ts';
import type { SupportDeclaration } from '../support/support.ts';

/** Chains by match, as a proxy that has them would declare it. */
const support: SupportDeclaration[] = [{ fields: { 'envoy.config.listener.v3.FilterChainMatch': '*' } }];

const router = { name: 'r', typed_config: { '@type': ROUTER } };
const fault = {
  name: 'f',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault' },
};

test('addresses are IP literals', () => {
  assert.deepEqual(
    errorsOf(({ listener }) => {
      listener.address.socket_address.address = 'localhost';
    }),
    ['static_resources.listeners[0].address.socket_address.address: malformed IP address: localhost'],
  );
  for (const address of ['0.0.0.0', '::', '::1']) {
    assert.deepEqual(
      errorsOf(({ listener }) => {
        listener.address.socket_address.address = address;
      }),
      [],
    );
  }
  assert.deepEqual(
    errorsOf((_, whole) => {
      whole.admin = { address: { socket_address: { address: 'x', port_value: 0 } } };
    }),
    ['admin.address.socket_address.address: malformed IP address: x'],
  );
});

test('two listeners need two addresses, unless the port is chosen by the system', () => {
  const second = (port: number) =>
    errorsOf(({ listener }, whole) => {
      listener.address.socket_address.port_value = port;
      whole.static_resources.listeners.push({ ...listener, name: 'second' });
    });
  assert.match(second(10000)[0]!, /'second' has duplicate address '127\.0\.0\.1:10000'/);
  assert.deepEqual(second(0), []);
});

test('a listener has filter chains of different matches', () => {
  assert.match(
    errorsOf(({ listener }) => {
      listener.filter_chains = [];
    })[0]!,
    /error adding listener '127\.0\.0\.1:10000': no filter chains specified$/,
  );
  const twice = (first: object | undefined, second: object | undefined) =>
    errorsOf(
      ({ listener }) => {
        const [chain] = listener.filter_chains;
        listener.filter_chains = [
          { ...chain, filter_chain_match: first },
          { ...chain, name: 'two', filter_chain_match: second },
        ];
      },
      { support },
    );
  assert.match(
    twice(undefined, undefined)[0]!,
    /filter chain 'two' has the same matching rules defined as ''$/,
  );
  assert.match(twice(undefined, {})[0]!, /same matching rules/);
  assert.match(twice({ server_names: ['a'] }, { server_names: ['a'] })[0]!, /same matching rules/);
  assert.deepEqual(twice({ server_names: ['a'] }, { server_names: ['b'] }), []);
});

test('the router is the last HTTP filter, and the last HTTP filter is a router', () => {
  const filters = (...list: object[]) =>
    errorsOf(({ manager }) => {
      manager.http_filters = list;
    });
  assert.deepEqual(filters(fault, router), []);
  assert.deepEqual(filters(), []);
  assert.match(
    filters(router, router)[0]!,
    /http_filters\[0\]: Error: terminal filter named r of type envoy\.filters\.http\.router must be the last filter in a http filter chain\.$/,
  );
  assert.match(
    filters(fault)[0]!,
    /Error: non-terminal filter named f of type envoy\.filters\.http\.fault is the last filter in a http filter chain\.$/,
  );
});

test('the connection manager is the last network filter', () => {
  const errors = errorsOf(({ listener }) => {
    const [chain] = listener.filter_chains;
    chain.filters = [chain.filters[0], chain.filters[0]];
  });
  assert.match(
    errors[0]!,
    /filters\[0\]: Error: terminal filter named envoy\.filters\.network\.http_connection_manager .* in a network filter chain\.$/,
  );
});

test('server names have whole-label wildcards, address ranges are addresses', () => {
  const match = (filter_chain_match: object) =>
    errorsOf(
      ({ listener }) => {
        listener.filter_chains[0].filter_chain_match = filter_chain_match;
      },
      { support },
    );
  assert.deepEqual(
    match({
      server_names: ['a.b', '*.a.b'],
      source_prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }],
    }),
    [],
  );
  for (const name of ['*', '*w.example.com', 'a.*'])
    assert.match(match({ server_names: [name] })[0]!, /partial wildcards/);
  assert.match(
    match({ prefix_ranges: [{ address_prefix: 'x', prefix_len: 8 }] })[0]!,
    /invalid ip\/mask combo 'x\/8'/,
  );
  assert.match(
    match({ prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 33 }] })[0]!,
    /invalid ip\/mask combo/,
  );
});

test('an upgrade is configured once', () => {
  const errors = errorsOf(({ manager }) => {
    manager.upgrade_configs = [{ upgrade_type: 'websocket' }, { upgrade_type: 'WEBSOCKET' }];
  });
  assert.match(
    errors[0]!,
    /upgrade_configs\[1\]: Error: multiple upgrade configs with the same name: 'WEBSOCKET'$/,
  );
});
