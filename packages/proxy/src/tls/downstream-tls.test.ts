import assert from 'node:assert/strict';
import { connect as connectSocket } from 'node:net';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import {
  certificatePath,
  downstreamTls,
  httpManager,
  identity,
  listener,
  ProxyFixture,
  says,
  tlsCertificate,
} from '../testing/proxy-fixture.ts';

const INSPECTOR = {
  listener_filters: [
    {
      name: 'envoy.filters.listener.tls_inspector',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
      },
    },
  ],
};
const XFCC = {
  request_headers_to_add: [],
  response_headers_to_add: [
    { header: { key: 'x-xfcc', value: '%REQ(x-forwarded-client-cert)%' } },
    { header: { key: 'x-facts', value: '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_SUBJECT%' } },
  ],
};
const answering = (text: string, settings: object = {}): object[] => [
  httpManager({ routes: [{ ...says(text), ...XFCC }], ...settings }),
];
const trusting = { trusted_ca: { filename: certificatePath('ca.crt') } };

let proxy: ProxyFixture;

before(async () => {
  const plain = { tls_certificates: [tlsCertificate('server')] };
  const mutual = (validation: object, required = true): object =>
    downstreamTls({ ...plain, validation_context: validation }, { require_client_certificate: required });
  const forwarding = {
    forward_client_cert_details: 'APPEND_FORWARD',
    set_current_client_cert_details: { subject: true, uri: true, dns: true, cert: true, chain: true },
  };
  const san = (exact: string): object => ({
    ...trusting,
    match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact } }],
  });
  proxy = await ProxyFixture.start({
    listeners: [
      listener(
        'sni',
        [
          {
            filter_chain_match: { server_names: ['proxy.test'] },
            filters: answering('exact'),
            transport_socket: downstreamTls(plain),
          },
          { filter_chain_match: { transport_protocol: 'raw_buffer' }, filters: answering('plain') },
        ],
        INSPECTOR,
      ),
      listener('several', [
        {
          filters: answering('several'),
          transport_socket: downstreamTls({
            tls_certificate_sds_secret_configs: [{ name: 'first' }, { name: 'second' }],
          }),
        },
      ]),
      listener('alpn', [
        {
          filters: answering('alpn'),
          transport_socket: downstreamTls({ ...plain, alpn_protocols: ['http/1.1'] }),
        },
      ]),
      listener('mutual', [{ filters: answering('mutual', forwarding), transport_socket: mutual(trusting) }]),
      listener('optional', [{ filters: answering('optional'), transport_socket: mutual(trusting, false) }]),
      listener('named', [
        { filters: answering('named'), transport_socket: mutual(san('spiffe://test/client')) },
      ]),
      listener('misnamed', [
        { filters: answering('x'), transport_socket: mutual(san('spiffe://test/else')) },
      ]),
    ],
    secrets: [
      { name: 'first', tls_certificate: tlsCertificate('server') },
      { name: 'second', tls_certificate: tlsCertificate('other') },
    ],
  });
});

after(() => proxy.close());

interface Answer {
  readonly text: string;
  readonly socket: TLSSocket;
}

/** One request over TLS; rejects when the handshake fails, answers '' when nothing comes back. */
function ask(name: string, options: ConnectionOptions = {}, headers = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port: proxy.port(name),
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...options,
    });
    let text = '';
    socket.on('secureConnect', () =>
      socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${headers}connection: close\r\n\r\n`),
    );
    socket.on('data', bytes => {
      text += bytes.toString('latin1');
    });
    socket.on('error', error => (text === '' ? reject(error) : undefined));
    socket.on('close', () => resolve({ text, socket }));
  });
}

const header = (answer: Answer, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, 'm').exec(answer.text)?.[1];

test('chains by server name, with TLS and plaintext on one port', async () => {
  assert.match((await ask('sni', { servername: 'PROXY.test' })).text, /exact$/);
  await assert.rejects(ask('sni', { servername: 'unknown.test' }));
  assert.equal(proxy.stat('listener.sni.no_filter_chain_match'), 1);
  const plain = await fetch(`http://127.0.0.1:${proxy.port('sni')}/`);
  assert.equal(await plain.text(), 'plain');
});

test('several certificates: by exact name, by wildcard, the first one for the rest', async () => {
  const seen: Record<string, string | undefined> = {};
  for (const name of ['other.test', 'a.wild.test', 'unknown.test']) seen[name] = await subjectDuring(name);
  assert.deepEqual(seen, { 'other.test': 'other', 'a.wild.test': 'server', 'unknown.test': 'server' });
});

/** The certificate has to be asked for while the connection lives. */
function subjectDuring(servername: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: proxy.port('several'), servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject?.CN as string | undefined);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('ALPN is agreed on when there is something in common, and nothing is refused otherwise', async () => {
  const common = await ask('alpn', { ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(common.socket.alpnProtocol, 'http/1.1');
  const nothing = await ask('alpn', { ALPNProtocols: ['x'] });
  assert.equal(nothing.socket.alpnProtocol, false);
  assert.match(nothing.text, /alpn$/);
});

test('client certificates: required, and told to the upstream', async () => {
  const answer = await ask('mutual', identity('client'), 'x-forwarded-client-cert: By=before\r\n');
  assert.match(
    header(answer, 'x-xfcc') ?? '',
    /^By=before,Hash=[0-9a-f]{64};Cert="-----BEGIN%20CERTIFICATE-----%0A[^"]+";Chain="[^"]+";Subject="O=Test,CN=client";URI=spiffe:\/\/test\/client;DNS=client\.test$/,
  );
  assert.equal(header(answer, 'x-facts'), 'TLSv1.3 O=Test,CN=client');
  const none = await ask('mutual').catch(() => ({ text: '' }));
  assert.equal(none.text, '');
  await proxy.until('listener.mutual.ssl.fail_verify_no_cert', 1);
  const stranger = await ask('mutual', identity('stranger')).catch(() => ({ text: '' }));
  assert.equal(stranger.text, '');
  await proxy.until('listener.mutual.ssl.fail_verify_error', 1);
});

test('client certificates: optional, but a wrong one is refused all the same', async () => {
  const none = await ask('optional', {}, 'x-forwarded-client-cert: By=forged\r\n');
  assert.match(none.text, /optional$/);
  assert.equal(header(none, 'x-xfcc'), undefined);
  const stranger = await ask('optional', identity('stranger')).catch(() => ({ text: '' }));
  assert.equal(stranger.text, '');
});

test('alternative names of client certificates', async () => {
  assert.match((await ask('named', identity('client'))).text, /named$/);
  const other = await ask('misnamed', identity('client')).catch(() => ({ text: '' }));
  assert.equal(other.text, '');
  await proxy.until('listener.misnamed.ssl.fail_verify_san', 1);
});

test('sessions are resumed', async () => {
  const first = await new Promise<Buffer>((resolve, reject) => {
    const to = { port: proxy.port('alpn'), host: '127.0.0.1', rejectUnauthorized: false };
    const socket = connect(to, () => socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'));
    socket.on('session', session => {
      resolve(session);
      socket.destroy();
    });
    socket.on('error', reject);
  });
  assert.match((await ask('alpn', { session: first })).text, /alpn$/);
  assert.equal(proxy.stat('listener.alpn.ssl.session_reused'), 1);
});

test('a client that leaves in the middle of the handshake is not waited for', async () => {
  const socket = connectSocket({ port: proxy.port('mutual'), host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  // The head of a record with a ClientHello, and nothing of it.
  socket.end(Buffer.from([0x16, 0x03, 0x01, 0x00, 0xff, 0x01]));
  socket.resume();
  await new Promise(resolve => socket.on('end', resolve));
  socket.destroy();
});

test('mistakes name the file or secret', () => {
  const load = (common: object): unknown =>
    ProxyFixture.load({
      listeners: [listener('x', [{ filters: answering('x'), transport_socket: downstreamTls(common) }])],
    });
  assert.throws(
    () =>
      load({
        tls_certificates: [{ ...tlsCertificate('server'), private_key: { filename: '/nowhere.key' } }],
      }),
    /Invalid path: \/nowhere\.key/,
  );
  const wrongKey = {
    certificate_chain: { filename: certificatePath('server.crt') },
    private_key: { filename: certificatePath('other.key') },
  };
  assert.throws(() => load({ tls_certificates: [wrongKey] }), /other\.key.*server\.crt/);
  assert.throws(
    () => load({ tls_certificate_sds_secret_configs: [{ name: 'nobody' }] }),
    /Unknown static secret: nobody/,
  );
  assert.throws(() => load({}), /No TLS certificates found/);
});
