// The description of a request that a gRPC authorization service gets (envoy.service.auth.v3.AttributeContext).

import type { Address, AttributeContext, AttributeContext_Peer, ExtAuthz, Metadata } from '@dragoman/config';
import type { Stream, TlsConnectionInfo } from '@dragoman/proxy';
import { type Check, PARTIAL_BODY, type ShownHeaders } from './check.ts';

/** Which parts of the description the configuration asks for. */
export type AttributeSettings = Pick<
  ExtAuthz,
  | 'includePeerCertificate'
  | 'includeTlsSession'
  | 'metadataContextNamespaces'
  | 'routeMetadataContextNamespaces'
>;

/** Header values are byte strings, protobuf's are text. */
function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function address(host: string, port: number): Address {
  if (host.startsWith('/')) return { pipe: { path: host, mode: 0 } } as Address;
  return { socketAddress: { protocol: 'TCP', address: host, portValue: port } } as Address;
}

function principal(certificate: TlsConnectionInfo['peer'] | undefined): string {
  if (!certificate) return '';
  return certificate.uriSans[0] ?? certificate.dnsSans[0] ?? certificate.subject;
}

function peers(stream: Stream, settings: AttributeSettings): [AttributeContext_Peer, AttributeContext_Peer] {
  const { connection } = stream;
  const { tls } = connection;
  const pem = settings.includePeerCertificate ? (tls?.peer?.pem ?? '') : '';
  const source: AttributeContext_Peer = {
    address: address(connection.remoteAddress, connection.remotePort),
    service: stream.requestHeaders?.get('x-envoy-downstream-service-cluster') ?? '',
    labels: {},
    principal: principal(tls?.peer),
    certificate: encodeURIComponent(pem),
  };
  const destination: AttributeContext_Peer = {
    address: address(connection.localAddress, connection.localPort),
    service: '',
    labels: {},
    principal: principal(tls?.local),
    certificate: '',
  };
  return [source, destination];
}

function chosen(
  from: Readonly<Record<string, unknown>> | null | undefined,
  names: readonly string[],
): Metadata {
  const filterMetadata: Record<string, unknown> = {};
  for (const name of names)
    if (from && Object.hasOwn(from, name)) filterMetadata[name] = { ...(from[name] as object) };
  return { filterMetadata, typedFilterMetadata: {} } as Metadata;
}

export function checkAttributes(
  check: Check,
  shown: ShownHeaders,
  settings: AttributeSettings,
): AttributeContext {
  const { stream } = check;
  const { info } = stream;
  const request = stream.requestHeaders;
  const [source, destination] = peers(stream, settings);
  const headers: Record<string, string> = {};
  for (const [name, value] of shown.of(stream)) headers[name] = text(value);
  if (check.body !== null) headers[PARTIAL_BODY] = String(check.partial);
  const routeMetadata = stream.route?.metadata?.filterMetadata;
  return {
    source,
    destination,
    request: {
      time: info.startTimeWallMs,
      http: {
        id: String(info.streamId),
        method: request?.method ?? '',
        headers,
        path: text(request?.path ?? ''),
        host: text(request?.authority ?? ''),
        scheme: request?.scheme ?? '',
        query: '',
        fragment: '',
        size: info.bytesReceived,
        protocol: info.protocol,
        body: '',
        rawBody: new Uint8Array(0),
      },
    },
    contextExtensions: { ...check.contextExtensions },
    metadataContext: chosen(info.dynamicMetadata, settings.metadataContextNamespaces),
    routeMetadataContext: chosen(routeMetadata, settings.routeMetadataContextNamespaces),
    ...(settings.includeTlsSession && stream.connection.tls !== null
      ? { tlsSession: { sni: stream.connection.requestedServerName } }
      : {}),
  };
}
