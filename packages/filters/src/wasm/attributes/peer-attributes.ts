// connection.*, source.*, destination.*, upstream.*: the two ends of a stream and who stands there.

import type { StreamInfo } from '@dragoman/proxy';
import { nanosecondsProperty, type PropertyValue } from '@dragoman/vm';
import { localityProperty } from '../property-messages.ts';
import {
  ALWAYS,
  type Attribute,
  type AttributeGroup,
  type AttributeSource,
  type AttributeType,
  textOrNone,
  utf8,
} from './attribute.ts';

type TlsInfo = StreamInfo['upstreamTls'];
type ReadTls = (tls: NonNullable<TlsInfo>) => PropertyValue;

/** Attributes of a TLS connection by name; names in a certificate are the first of their kind. */
const TLS: Readonly<Record<string, { readonly when: string; readonly read: ReadTls }>> = {
  tls_version: { when: 'over TLS', read: ({ version }) => version },
  subject_local_certificate: { when: 'over TLS', read: ({ local }) => utf8(local?.subject ?? '') },
  subject_peer_certificate: { when: 'over TLS', read: ({ peer }) => utf8(peer?.subject ?? '') },
  dns_san_local_certificate: { when: 'over TLS, with such a name', read: ({ local }) => local?.dnsSans[0] },
  dns_san_peer_certificate: { when: 'over TLS, with such a name', read: ({ peer }) => peer?.dnsSans[0] },
  uri_san_local_certificate: { when: 'over TLS, with such a name', read: ({ local }) => local?.uriSans[0] },
  uri_san_peer_certificate: { when: 'over TLS, with such a name', read: ({ peer }) => peer?.uriSans[0] },
  sha256_peer_certificate_digest: {
    when: 'over TLS, with a certificate of the peer',
    read: ({ peer }) => (peer === null || peer.fingerprint256 === '' ? undefined : peer.fingerprint256),
  },
  peer_certificate: {
    when: 'over TLS, with a certificate of the peer; PEM',
    read: ({ peer }) => peer?.pem,
  },
};

function tlsAttributes(tlsOf: (source: AttributeSource) => TlsInfo | undefined): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = {};
  for (const [name, { when, read }] of Object.entries(TLS))
    attributes[name] = {
      type: 'string',
      when,
      read: source => {
        const tls = tlsOf(source);
        return tls === null || tls === undefined ? undefined : read(tls);
      },
    };
  return attributes;
}

export const connectionAttributes: AttributeGroup = {
  id: { type: 'uint', when: ALWAYS, read: connectionId },
  mtls: {
    type: 'bool',
    when: ALWAYS,
    read: ({ info }) => (info.connection?.tls ?? null) !== null && info.connection!.tls!.peer !== null,
  },
  requested_server_name: {
    type: 'string',
    when: 'always; empty without one',
    read: ({ info }) => utf8(info.connection?.requestedServerName ?? ''),
  },
  ...tlsAttributes(({ info }) => info.connection?.tls),
  termination_details: {
    type: 'string',
    when: 'once the proxy has ended the connection for a reason',
    read: ({ info }) => textOrNone(info.connectionTerminationDetails),
  },
  transport_failure_reason: {
    type: 'string',
    when: 'once the transport has failed',
    read: ({ info }) => textOrNone(info.downstreamTransportFailureReason),
  },
};

export function connectionId({ info }: AttributeSource): PropertyValue {
  return info.connection === null ? undefined : BigInt(info.connection.id);
}

/** The client as the connection manager sees it: of x-forwarded-for where that is trusted, with port 0 then. */
export const sourceAttributes: AttributeGroup = {
  address: {
    type: 'string',
    when: ALWAYS,
    read: ({ info }) =>
      info.downstreamRemoteAddress === ''
        ? address(info.connection?.remoteAddress, info.connection?.remotePort)
        : address(info.downstreamRemoteAddress, info.downstreamRemotePort),
  },
  port: {
    type: 'int',
    when: 'except over Unix sockets',
    read: ({ info }) =>
      info.downstreamRemoteAddress === ''
        ? port(info.connection?.remoteAddress, info.connection?.remotePort)
        : BigInt(info.downstreamRemotePort),
  },
};

export const destinationAttributes: AttributeGroup = {
  address: {
    type: 'string',
    when: ALWAYS,
    read: ({ info }) => address(info.connection?.localAddress, info.connection?.localPort),
  },
  port: {
    type: 'int',
    when: 'except over Unix sockets',
    read: ({ info }) => port(info.connection?.localAddress, info.connection?.localPort),
  },
};

function address(host: string | undefined, portNumber: number | undefined): PropertyValue {
  if (host === undefined || host === '') return undefined;
  if (host.startsWith('/') || host.startsWith('@')) return utf8(host);
  return host.includes(':') ? `[${host}]:${portNumber}` : `${host}:${portNumber}`;
}

function port(host: string | undefined, portNumber: number | undefined): PropertyValue {
  if (host === undefined || host === '' || host.startsWith('/') || host.startsWith('@')) return undefined;
  return BigInt(portNumber ?? 0);
}

const CHOSEN = 'once an upstream host was chosen';
const CONNECTED = 'once there is an upstream connection';

const upstream = (
  type: AttributeType,
  when: string,
  read: (info: StreamInfo) => PropertyValue,
): Attribute => ({
  type,
  when,
  read: ({ info }) => read(info),
});

export const upstreamAttributes: AttributeGroup = {
  address: upstream('string', CHOSEN, ({ upstreamHost }) => upstreamHost?.addressText),
  port: upstream('int', `${CHOSEN}, except over Unix sockets`, ({ upstreamHost }) =>
    upstreamHost === null || upstreamHost.pipePath !== '' ? undefined : BigInt(upstreamHost.port),
  ),
  local_address: upstream('string', CONNECTED, ({ upstreamLocalAddress }) =>
    textOrNone(upstreamLocalAddress),
  ),
  locality: upstream('message', CHOSEN, ({ upstreamHost }) =>
    upstreamHost === null ? undefined : localityProperty(upstreamHost.locality),
  ),
  transport_failure_reason: upstream('string', `${CHOSEN}; empty while there is none`, info =>
    info.upstreamHost === null && info.attemptCount === 0
      ? undefined
      : utf8(info.upstreamTransportFailureReason),
  ),
  request_attempt_count: upstream('uint', 'always; 0 before the first', info => BigInt(info.attemptCount)),
  cx_pool_ready_duration: upstream(
    'duration',
    'once there is an upstream connection, or none could be had',
    ({ upstreamPoolReadyMs }) =>
      upstreamPoolReadyMs < 0 ? undefined : nanosecondsProperty(upstreamPoolReadyMs),
  ),
  num_endpoints: {
    type: 'uint',
    when: 'when the route names a cluster that exists',
    read: ({ cluster }) => (cluster === null ? undefined : BigInt(cluster.hosts.length)),
  },
  ...tlsAttributes(({ info }) => info.upstreamTls),
};
