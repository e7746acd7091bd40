// Attributes of the two ends of a stream: connection.*, source.*, destination.*, upstream.* (ABI reference 8.4).

import type { Stream } from '@dragoman/proxy';
import { integerProperty, nanosecondsProperty, type PropertyValue, utf8Property } from '@dragoman/vm';
import { localityProperty } from './property-messages.ts';

type TlsInfo = Stream['info']['upstreamTls'];

/** The attribute `name` of one of those roots. */
export function peerProperty(stream: Stream, root: string, name: string): PropertyValue {
  const { connection } = stream;
  switch (root) {
    case 'source':
      return address(connection.remoteAddress, connection.remotePort, name);
    case 'destination':
      return address(connection.localAddress, connection.localPort, name);
    case 'connection':
      return connectionProperty(stream, name);
    default:
      return upstreamProperty(stream, name);
  }
}

function address(host: string, port: number, name: string): PropertyValue {
  if (name === 'address')
    return host.includes(':') ? `[${host}]:${port}` : host === '' ? undefined : `${host}:${port}`;
  return name === 'port' ? integerProperty(port) : undefined;
}

function connectionProperty(stream: Stream, name: string): PropertyValue {
  const { connection, info } = stream;
  switch (name) {
    case 'id':
      return integerProperty(connection.id);
    case 'mtls':
      return connection.tls !== null && connection.tls.peer !== null;
    case 'requested_server_name':
      return utf8Property(connection.requestedServerName);
    case 'termination_details':
      return info.connectionTerminationDetails === '' ? undefined : info.connectionTerminationDetails;
    case 'transport_failure_reason':
      return info.downstreamTransportFailureReason === '' ? undefined : info.downstreamTransportFailureReason;
    default:
      return tlsProperty(connection.tls, name);
  }
}

function upstreamProperty(stream: Stream, name: string): PropertyValue {
  const { info } = stream;
  const host = info.upstreamHost;
  switch (name) {
    case 'address':
      return info.upstreamRemoteAddress !== '' ? info.upstreamRemoteAddress : host?.addressText;
    case 'port':
      return host === null || host.pipePath !== '' ? undefined : integerProperty(host.port);
    case 'local_address':
      return info.upstreamLocalAddress === '' ? undefined : info.upstreamLocalAddress;
    case 'locality':
      return host === null ? undefined : localityProperty(host.locality);
    case 'transport_failure_reason':
      return host === null && info.attemptCount === 0 ? undefined : info.upstreamTransportFailureReason;
    case 'request_attempt_count':
      return BigInt(info.attemptCount);
    case 'cx_pool_ready_duration':
      return info.upstreamPoolReadyMs < 0
        ? undefined
        : nanosecondsProperty(info.upstreamPoolReadyMs - info.startMs);
    default:
      return tlsProperty(info.upstreamTls, name);
  }
}

/** Absent without TLS; names of certificates are the first of their kind. */
function tlsProperty(tls: TlsInfo, name: string): PropertyValue {
  if (tls === null) return undefined;
  const { local, peer } = tls;
  switch (name) {
    case 'tls_version':
      return tls.version;
    case 'subject_local_certificate':
      return local === null ? '' : utf8Property(local.subject);
    case 'subject_peer_certificate':
      return peer === null ? '' : utf8Property(peer.subject);
    case 'dns_san_local_certificate':
      return local?.dnsSans[0];
    case 'dns_san_peer_certificate':
      return peer?.dnsSans[0];
    case 'uri_san_local_certificate':
      return local?.uriSans[0];
    case 'uri_san_peer_certificate':
      return peer?.uriSans[0];
    case 'sha256_peer_certificate_digest':
      return peer === null || peer.fingerprint256 === '' ? undefined : peer.fingerprint256;
    case 'peer_certificate':
      return peer?.pem;
    default:
      return undefined;
  }
}
