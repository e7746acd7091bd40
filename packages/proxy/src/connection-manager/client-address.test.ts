// Whose request it is: what the upstream is told of the client, by kind of detection. Recorded from Envoy 1.40.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawConnection, ScriptedServer } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';

const DETECTION = 'type.googleapis.com/envoy.extensions.http.original_ip_detection';
const ROUTES = [
  {
    match: { prefix: '/' },
    route: { cluster: 'app' },
    response_headers_to_add: [
      { header: { key: 'x-address', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
    ],
  },
];
const LOOPBACK = { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] };

let upstream: ScriptedServer;
let seen: ReadonlyMap<string, string[]>;
before(async () => {
  upstream = await ScriptedServer.listen(async connection => {
    seen = (await connection.readMessage()).headers;
    connection.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
});
after(() => upstream.close());

/** Sends header lines through a connection manager; gives status, trusted address and what the upstream saw. */
async function ask(manager: object, lines: readonly string[], routeConfig: object = {}) {
  const worker = await WorkerFixture.start({
    clusters: { app: upstream.port },
    manager: {
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: ROUTES }], ...routeConfig },
      ...manager,
    },
  });
  const client = await RawConnection.connect(worker.port);
  seen = new Map();
  client.send(`GET / HTTP/1.1\r\nhost: a\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`);
  const { startLine, headers } = await client.readMessage();
  client.close();
  worker.close();
  const value = (name: string) => seen.get(name)?.join('|');
  return { status: Number(startLine.split(' ')[1]), address: headers.get('x-address')?.[0], value };
}

const extension = (type: string, config: object) => ({
  original_ip_detection_extensions: [
    { name: 'detection', typed_config: { '@type': `${DETECTION}.${type}`, ...config } },
  ],
});

describe('original IP detection extensions', () => {
  test('xff counts trusted hops, and appends when it is told to', async () => {
    const hops = extension('xff.v3.XffConfig', { xff_num_trusted_hops: 1 });
    const two = await ask(hops, ['x-forwarded-for: 1.2.3.4, 9.9.9.9']);
    assert.equal(two.address, '1.2.3.4');
    assert.equal(two.value('x-forwarded-for'), '1.2.3.4, 9.9.9.9');
    assert.equal((await ask(hops, ['x-forwarded-for: 9.9.9.9'])).address, '127.0.0.1');
    const appending = await ask(extension('xff.v3.XffConfig', { skip_xff_append: false }), []);
    assert.notEqual(appending.value('x-forwarded-for'), undefined);
  });

  test('xff takes the last address that is no trusted proxy, when the peer is one', async () => {
    const trusting = (prefix: string) =>
      extension('xff.v3.XffConfig', {
        xff_trusted_cidrs: {
          cidrs: [
            { address_prefix: prefix, prefix_len: 8 },
            { address_prefix: '9.0.0.0', prefix_len: 8 },
          ],
        },
      });
    const line = ['x-forwarded-for: 6.6.6.6, 1.2.3.4, 9.9.9.9'];
    assert.equal((await ask(trusting('127.0.0.0'), line)).address, '1.2.3.4');
    assert.equal((await ask(trusting('11.0.0.0'), line)).address, '127.0.0.1');
    assert.equal((await ask(trusting('127.0.0.0'), ['x-forwarded-for: junk'])).address, '127.0.0.1');
  });

  test('custom_header makes a request internal only when it may, and refuses those without an address', async () => {
    const header = (more: object) => ({
      internal_address_config: LOOPBACK,
      ...extension('custom_header.v3.CustomHeaderConfig', { header_name: 'X-Real-Ip', ...more }),
    });
    const plain = await ask(header({}), ['x-real-ip: 10.7.7.7']);
    assert.deepEqual([plain.address, plain.value('x-envoy-internal')], ['10.7.7.7', undefined]);
    const trusted = await ask(header({ allow_extension_to_set_address_as_trusted: true }), [
      'x-real-ip: 10.7.7.7',
    ]);
    assert.equal(trusted.value('x-envoy-internal'), 'true');
    assert.equal((await ask(header({ reject_with_status: { code: 'BadRequest' } }), [])).status, 400);
    assert.equal((await ask(header({ reject_with_status: { code: 'OK' } }), [])).status, 403);
  });
});

describe('what a request says of itself', () => {
  test('x-forwarded-port of an untrusted client is replaced', async () => {
    const edge = { use_remote_address: true, append_x_forwarded_port: true };
    assert.notEqual((await ask(edge, ['x-forwarded-port: 77'])).value('x-forwarded-port'), '77');
    const inner = { append_x_forwarded_port: true };
    assert.equal((await ask(inner, ['x-forwarded-port: 77'])).value('x-forwarded-port'), '77');
  });

  test('a scheme that is set is told to the upstream, too', async () => {
    const manager = { scheme_header_transformation: { scheme_to_overwrite: 'https' } };
    assert.equal((await ask(manager, [])).value('x-forwarded-proto'), 'https');
  });

  test('an address in brackets or with a port is none, and makes no request internal', async () => {
    const manager = {
      internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
    };
    for (const value of ['[::1]', '10.0.0.1:80', '']) {
      const { value: told } = await ask(manager, [`x-forwarded-for: ${value}`]);
      assert.equal(told('x-envoy-internal'), undefined, value);
    }
  });

  test('internal_only_headers of the routes are taken from others', async () => {
    const only = { internal_only_headers: ['X-Secret'] };
    assert.equal((await ask({}, ['x-secret: 1'], only)).value('x-secret'), undefined);
    const internal = { internal_address_config: LOOPBACK };
    assert.equal(
      (await ask(internal, ['x-secret: 1', 'x-forwarded-for: 10.1.1.1'], only)).value('x-secret'),
      '1',
    );
  });

  test('an empty x-forwarded-proto has no route', async () => {
    assert.equal((await ask({}, ['x-forwarded-proto: '])).status, 404);
  });

  test('x-request-id goes back to an internal client that forces a trace', async () => {
    const manager = { internal_address_config: LOOPBACK };
    const worker = await WorkerFixture.start({ clusters: { app: upstream.port }, manager });
    const client = await worker.connect();
    client.send(
      'GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 10.1.1.1\r\nx-envoy-force-trace: 1\r\nx-request-id: mine\r\n\r\n',
    );
    assert.deepEqual((await client.readMessage()).headers.get('x-request-id'), ['mine']);
    client.close();
    worker.close();
  });
});
