// Certificates that are replaced while the real program serves.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { GatewayProcess } from '@dragoman/testkit';

const CERTIFICATES = resolve(import.meta.dirname, '../../../packages/proxy/src/testing/certificates');
let folder: string;
let gateway: GatewayProcess;

const subjectOf = (name: string): string =>
  new X509Certificate(readFileSync(join(CERTIFICATES, `${name}.crt`))).fingerprint256;

/** Puts a file in place as careful people do: written beside it, then renamed. */
function put(source: string, name: string): void {
  const path = join(folder, name);
  copyFileSync(join(CERTIFICATES, source), `${path}.new`);
  renameSync(`${path}.new`, path);
}

async function handshake(): Promise<TLSSocket> {
  const { main: port } = await gateway.ports();
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('error', () => {});
  await new Promise((done, failed) => socket.once('secureConnect', done).once('close', failed));
  return socket;
}

const served = (socket: TLSSocket): string => socket.getPeerX509Certificate()!.fingerprint256;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dragoman-tls-'));
  put('server.crt', 'tls.crt');
  put('server.key', 'tls.key');
  gateway = await GatewayProcess.start({
    args: ['--concurrency', '2'],
    config: `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  listeners:
  - name: main
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates: [{ certificate_chain: { filename: "${folder}/tls.crt" }, private_key: { filename: "${folder}/tls.key" } }]
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          route_config:
            virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200 } }] }]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`,
  });
});

after(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a new pair is used by new connections; half a pair and nonsense are not', async () => {
  const kept = await handshake();
  assert.equal(served(kept), subjectOf('server'));

  put('other.crt', 'tls.crt');
  await gateway.logged('changed TLS files are not used');
  const between = await handshake();
  assert.equal(served(between), subjectOf('server'), 'a certificate without its key is not used');

  put('other.key', 'tls.key');
  await gateway.logged('TLS files have changed');
  // Both workers hear of it in their own time.
  const limitMs = Date.now() + 10_000;
  for (let fresh = 0; fresh < 8; ) {
    assert.ok(Date.now() < limitMs, 'new connections still get the old certificate');
    const socket = await handshake();
    fresh = served(socket) === subjectOf('other') ? fresh + 1 : 0;
    socket.destroy();
  }

  kept.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const answer = await new Promise(done => kept.once('data', done));
  assert.match(String(answer), /^HTTP\/1\.1 200 OK/, 'a connection goes on with what it began with');

  writeFileSync(join(folder, 'tls.crt'), 'no certificate');
  await gateway.logged('Failed to load certificate chain');
  const last = await handshake();
  assert.equal(served(last), subjectOf('other'));
  for (const socket of [kept, between, last]) socket.destroy();
});
