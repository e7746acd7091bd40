import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StreamInfo, type TlsConnectionInfo } from '@dragoman/proxy';
import { encodeProperty, HeaderList } from '@dragoman/vm';
import type { AttributeSource } from './attribute.ts';
import { ATTRIBUTE_GROUPS, attributeValue, ROOT_ATTRIBUTES } from './attribute-table.ts';

const metadata = (name: string) => ({ filterMetadata: { [name]: { k: 'v' } }, typedFilterMetadata: {} });
/** Metadata { filter_metadata: { key: name, value: Struct { k: "v" } } }, a name of two letters. */
const metadataBytes = (name: string) =>
  `0a100a02${Buffer.from(name).toString('hex')}120a0a080a016b12031a0176`;

const certificate = (name: string) => ({
  subject: `CN=${name}`,
  issuer: '',
  serial: '',
  fingerprint256: 'abcd',
  fingerprint1: '',
  uriSans: [`spiffe://${name}`, 'spiffe://second'],
  dnsSans: [`${name}.test`, 'second.test'],
  ipSans: [],
  emailSans: [],
  pem: 'P M\n',
  validFromMs: 0,
  validToMs: 0,
});

const tls: TlsConnectionInfo = {
  version: 'TLSv1.3',
  cipher: '',
  sessionId: '',
  alpn: '',
  peer: certificate('peer'),
  peerValidated: true,
  local: certificate('local'),
};

/** A stream of which everything is known. */
function complete(): AttributeSource {
  const info = new StreamInfo();
  info.reset(1_700_000_000_000, 1000);
  Object.assign(info, {
    endMs: 1250,
    protocol: 'HTTP/2',
    bytesReceived: 5,
    bytesSent: 7,
    responseCode: 503,
    responseCodeDetails: 'via_upstream',
    responseFlags: 4,
    firstUpstreamTxByteMs: 1001,
    lastUpstreamRxByteMs: 1003,
    connection: {
      remoteAddress: '10.0.0.1',
      remotePort: 5000,
      localAddress: '::1',
      localPort: 80,
      id: 7,
      tls,
      requestedServerName: 'sni.test',
    },
    connectionTerminationDetails: 'terminated',
    downstreamTransportFailureReason: 'broken below',
    upstreamHost: {
      addressText: '10.0.0.2:8080',
      port: 8080,
      pipePath: '',
      locality: { region: 'r', zone: 'z', subZone: 's' },
      metadata: metadata('hm'),
    },
    upstreamLocalAddress: '10.0.0.3:1234',
    upstreamTransportFailureReason: 'broken above',
    attemptCount: 2,
    upstreamPoolReadyMs: 1,
    upstreamTls: tls,
    filterChainName: 'the-chain',
  });
  info.setDynamicMetadata('dm', 'k', 'v');
  info.setFilterState('wasm.kept', Buffer.from('value'));
  return {
    info,
    requestHeaders: HeaderList.from([
      [':path', '/p?q=1#f'],
      [':authority', 'h'],
      [':scheme', 'https'],
      [':method', 'GET'],
      ['referer', 'from'],
      ['user-agent', 'ua'],
      ['x-request-id', 'id'],
    ]),
    responseHeaders: HeaderList.from([[':status', '503']]),
    responseTrailers: HeaderList.from([['grpc-status', '14']]),
    route: {
      name: 'the-route',
      metadata: metadata('rm'),
      virtualHost: { name: 'vh', metadata: metadata('vm') },
    },
    cluster: { name: 'app', metadata: metadata('cm'), hosts: { length: 3 } },
    listener: { name: 'main', direction: 'OUTBOUND', metadata: metadata('lm') },
    node: { id: 'n', cluster: 'c', metadata: { a: 'b' }, userAgentName: '' } as never,
  };
}

const hexOf = (text: string) => Buffer.from(text).toString('hex');
/** Eight bytes, little-endian. */
const number = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.toString('hex');
};
const milliseconds = (value: number) => number(BigInt(value) * 1_000_000n);
const NODE = '0a016e1201631a0a0a080a016112031a01623205656e766f79';
const FAILS = 'SERIALIZATION_FAILURE';

const tlsRows = (root: string): Record<string, string> => ({
  [`${root}.tls_version`]: hexOf('TLSv1.3'),
  [`${root}.subject_local_certificate`]: hexOf('CN=local'),
  [`${root}.subject_peer_certificate`]: hexOf('CN=peer'),
  [`${root}.dns_san_local_certificate`]: hexOf('local.test'),
  [`${root}.dns_san_peer_certificate`]: hexOf('peer.test'),
  [`${root}.uri_san_local_certificate`]: hexOf('spiffe://local'),
  [`${root}.uri_san_peer_certificate`]: hexOf('spiffe://peer'),
  [`${root}.sha256_peer_certificate_digest`]: hexOf('abcd'),
  [`${root}.peer_certificate`]: hexOf('P M\n'),
});

/** What a guest gets of that stream, row by row. */
const ROWS: Readonly<Record<string, string>> = {
  'request.path': hexOf('/p?q=1#f'),
  'request.url_path': hexOf('/p'),
  'request.query': hexOf('q=1'),
  'request.host': hexOf('h'),
  'request.scheme': hexOf('https'),
  'request.method': hexOf('GET'),
  'request.headers': '',
  'request.headers_bytes': number(83),
  'request.referer': hexOf('from'),
  'request.useragent': hexOf('ua'),
  'request.id': hexOf('id'),
  'request.time': milliseconds(1_700_000_000_000),
  'request.duration': milliseconds(250),
  'request.protocol': hexOf('HTTP/2'),
  'request.size': number(5),
  'request.total_size': number(88),
  'response.code': number(503),
  'response.code_details': hexOf('via_upstream'),
  'response.flags': number(4),
  'response.grpc_status': number(14),
  'response.headers': '0100000007000000030000003a7374617475730035303300',
  'response.headers_bytes': number(10),
  'response.trailers': '010000000b00000002000000677270632d73746174757300313400',
  'response.size': number(7),
  'response.total_size': number(30),
  'response.backend_latency': milliseconds(2),
  'connection.id': number(7),
  'connection.mtls': '01',
  'connection.requested_server_name': hexOf('sni.test'),
  ...tlsRows('connection'),
  'connection.termination_details': hexOf('terminated'),
  'connection.transport_failure_reason': hexOf('broken below'),
  'source.address': hexOf('10.0.0.1:5000'),
  'source.port': number(5000),
  'destination.address': hexOf('[::1]:80'),
  'destination.port': number(80),
  'upstream.address': hexOf('10.0.0.2:8080'),
  'upstream.port': number(8080),
  'upstream.local_address': hexOf('10.0.0.3:1234'),
  'upstream.locality': '0a017212017a1a0173',
  'upstream.transport_failure_reason': hexOf('broken above'),
  'upstream.request_attempt_count': number(2),
  'upstream.cx_pool_ready_duration': milliseconds(1),
  'upstream.num_endpoints': number(3),
  ...tlsRows('upstream'),
  'xds.node': NODE,
  'xds.cluster_name': hexOf('app'),
  'xds.cluster_metadata': metadataBytes('cm'),
  'xds.route_name': hexOf('the-route'),
  'xds.route_metadata': metadataBytes('rm'),
  'xds.virtual_host_name': hexOf('vh'),
  'xds.virtual_host_metadata': metadataBytes('vm'),
  'xds.upstream_host_metadata': metadataBytes('hm'),
  'xds.upstream_host_locality_metadata': FAILS,
  'xds.filter_chain_name': hexOf('the-chain'),
  'xds.listener_metadata': metadataBytes('lm'),
  'xds.listener_direction': number(2),
  connection_id: number(7),
  metadata: metadataBytes('dm'),
  filter_state: FAILS,
  upstream_filter_state: FAILS,
  node: NODE,
  cluster_name: hexOf('app'),
  cluster_metadata: metadataBytes('cm'),
  listener_direction: number(2),
  listener_metadata: metadataBytes('lm'),
  route_name: hexOf('the-route'),
  route_metadata: metadataBytes('rm'),
  upstream_host_metadata: metadataBytes('hm'),
};

function shown(source: AttributeSource, dotted: string, separator = '.'): string | undefined {
  const value = attributeValue(source, dotted.split(separator));
  if (value === undefined) return undefined;
  const bytes = encodeProperty(value);
  return bytes === null ? FAILS : Buffer.from(bytes).toString('hex');
}

const paths = [
  ...[...ATTRIBUTE_GROUPS].flatMap(([root, group]) => Object.keys(group).map(name => `${root}.${name}`)),
  ...ROOT_ATTRIBUTES.keys(),
];

describe('attributes', () => {
  test('S95: every row of the table has a value here', () => {
    assert.deepEqual(paths.toSorted(), Object.keys(ROWS).toSorted());
  });

  for (const path of paths)
    test(`${path} in its binary form`, () => {
      if (path === 'request.headers') {
        const seven = '07000000';
        assert.equal(shown(complete(), path)?.slice(0, 8), seven);
        assert.equal(shown(complete(), 'request/headers/X-Request-Id', '/'), hexOf('id'));
      } else assert.equal(shown(complete(), path), ROWS[path]);
    });

  test('S96: roots cannot be read whole, names they do not have are not found, scalars have nothing below', () => {
    const source = complete();
    for (const root of ATTRIBUTE_GROUPS.keys()) {
      assert.equal(shown(source, root), FAILS, root);
      for (const name of ['none', 'toString', 'constructor', '__proto__'])
        assert.equal(shown(source, `${root}.${name}`), undefined, `${root}.${name}`);
    }
    for (const path of ['request.path.x', 'request.headers.none', 'metadata.x', 'filter_state.none', 'none'])
      assert.equal(shown(source, path), undefined, path);
  });

  test('a stream of which nothing is known yet', () => {
    const info = new StreamInfo();
    info.reset(1_700_000_000_000, 1000);
    const nothing: AttributeSource = {
      info,
      requestHeaders: null,
      responseHeaders: null,
      responseTrailers: null,
      route: null,
      cluster: null,
      listener: { name: '', direction: 'UNSPECIFIED' },
      node: undefined,
    };
    const known = paths.filter(path => shown(nothing, path) !== undefined);
    assert.deepEqual(known, [
      ...['request.headers', 'request.headers_bytes', 'request.time', 'request.size', 'request.total_size'],
      ...['response.flags', 'response.headers', 'response.headers_bytes', 'response.trailers'],
      ...['response.size', 'response.total_size'],
      ...['connection.mtls', 'connection.requested_server_name', 'upstream.request_attempt_count'],
      ...['xds.node', 'xds.filter_chain_name', 'xds.listener_metadata', 'xds.listener_direction'],
      ...['metadata', 'filter_state', 'node', 'listener_direction', 'listener_metadata'],
    ]);
    assert.equal(shown(nothing, 'request.headers'), '00000000');
    assert.equal(shown(nothing, 'connection.mtls'), '00');
    assert.equal(shown(nothing, 'metadata.typed_filter_metadata'), '00000000');
  });

  test('an address of x-forwarded-for is the source, with port 0', () => {
    const source = complete();
    source.info.downstreamRemoteAddress = '192.0.2.1';
    source.info.downstreamRemotePort = 0;
    assert.equal(shown(source, 'source.address'), hexOf('192.0.2.1:0'));
    assert.equal(shown(source, 'source.port'), number(0));
  });

  test('Unix sockets have an address and no port; a host without metadata cannot show them', () => {
    const source = complete();
    Object.assign(source.info.connection!, { localAddress: '/run/proxy.sock', localPort: 0 });
    Object.assign(source.info.upstreamHost!, { pipePath: '/run/app.sock', metadata: undefined });
    assert.equal(shown(source, 'destination.address'), hexOf('/run/proxy.sock'));
    assert.equal(shown(source, 'destination.port'), undefined);
    assert.equal(shown(source, 'upstream.port'), undefined);
    assert.equal(shown(source, 'xds.upstream_host_metadata'), FAILS);
    assert.equal(shown(source, 'xds.upstream_host_metadata.filter_metadata'), undefined);
  });

  test('request.size is content-length, unless that is no number', () => {
    const sized = (length: string) => {
      const source = { ...complete(), requestHeaders: HeaderList.from([['content-length', length]]) };
      return shown(source, 'request.size');
    };
    assert.equal(sized('12'), number(12));
    assert.equal(sized('many'), undefined);
  });

  test('S41: a header map has each name once, its values joined by commas', () => {
    const headers = HeaderList.from([
      ['x', '1'],
      ['y', ''],
      ['x', '2'],
    ]);
    const source = { ...complete(), requestHeaders: headers };
    assert.equal(shown(source, 'request.headers.x'), hexOf('1,2'));
    assert.equal(shown(source, 'request.headers.y'), '');
    assert.equal(
      shown(source, 'request.headers'),
      `0200000001000000030000000100000000000000${hexOf('x\x001,2\0y\0\0')}`,
    );
  });

  test('S98: the names of before 1.33 have the values of xds', () => {
    const source = complete();
    for (const name of ['cluster_name', 'route_name', 'listener_direction', 'node'])
      assert.equal(shown(source, name), shown(source, `xds.${name}`));
  });
});
