// What the connection manager does to a request's headers before any filter sees them: sanitising, the client's address,
// x-request-id, x-forwarded-proto, path and host normalisation (Envoy: ConnectionManagerUtility::mutateRequestHeaders).

import { HeaderId, type RequestHeaders } from '@dragoman/http';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import type { ClientAddress } from './client-address.ts';
import { normalizePath, type PathVerdict } from './path-normalization.ts';
import type { RequestIds } from './request-ids.ts';
import type { ManagerSettings } from './settings.ts';

/** Headers a client outside must not be able to set; they steer the router or claim to come from a proxy. */
const INTERNAL_ONLY = [
  HeaderId.X_ENVOY_RETRIABLE_STATUS_CODES,
  HeaderId.X_ENVOY_RETRIABLE_HEADER_NAMES,
  HeaderId.X_ENVOY_RETRY_ON,
  HeaderId.X_ENVOY_RETRY_GRPC_ON,
  HeaderId.X_ENVOY_MAX_RETRIES,
  HeaderId.X_ENVOY_UPSTREAM_ALT_STAT_NAME,
  HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
  HeaderId.X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
  HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
  HeaderId.X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  HeaderId.X_ENVOY_FORCE_TRACE,
  HeaderId.X_ENVOY_IP_TAGS,
  HeaderId.X_ENVOY_ORIGINAL_URL,
  HeaderId.X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
  HeaderId.X_ENVOY_UPSTREAM_STREAM_DURATION_MS,
] as const;

const EDGE_ONLY = [
  HeaderId.X_ENVOY_DECORATOR_OPERATION,
  HeaderId.X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
  HeaderId.X_ENVOY_DOWNSTREAM_SERVICE_NODE,
] as const;

/** Applies the rules in Envoy's order. False: a detection extension refuses the request. */
export function applyRequestRules(
  headers: RequestHeaders,
  settings: ManagerSettings,
  connection: DownstreamConnectionInfo,
  worker: WorkerServices,
  client: ClientAddress,
  internalOnlyHeaders: readonly string[],
): boolean {
  if (headers.hasEnvoyHeaders) headers.removeId(HeaderId.X_ENVOY_INTERNAL);
  client.detect(headers, connection.remoteAddress, settings);
  if (client.rejectStatus !== 0) return false;
  if (connection.tls !== null || headers.hasId(HeaderId.X_FORWARDED_CLIENT_CERT))
    settings.clientCert.apply(headers, connection.tls);
  const scheme = connection.tls !== null ? 'https' : 'http';
  // What a client says about itself counts only when a proxy in front is trusted to have checked it.
  const untrusted = settings.useRemoteAddress && settings.xffNumTrustedHops === 0;
  if (untrusted) headers.set('x-forwarded-proto', scheme);
  else if (!headers.hasId(HeaderId.X_FORWARDED_PROTO))
    headers.addLine(PROTO_LINE[scheme], 'x-forwarded-proto', scheme);
  if (settings.appendXForwardedPort && (untrusted || !headers.hasId(HeaderId.X_FORWARDED_PORT)))
    headers.set('x-forwarded-port', String(connection.localPort));
  if (settings.schemeToOverwrite !== '') {
    headers.scheme = settings.schemeToOverwrite;
    headers.set('x-forwarded-proto', settings.schemeToOverwrite);
  } else {
    headers.scheme = forwardedScheme(headers, scheme);
  }
  if (!client.internal && headers.hasEnvoyHeaders) {
    for (const id of INTERNAL_ONLY) headers.removeId(id);
    if (client.edge) for (const id of EDGE_ONLY) headers.removeId(id);
  }
  if (!client.internal) for (const name of internalOnlyHeaders) headers.remove(name);
  if (client.internal) headers.set('x-envoy-internal', 'true');
  else if (client.edge) headers.set('x-envoy-external-address', client.address);
  if (settings.addUserAgent) addUserAgent(headers, worker);
  setRequestId(headers, settings, client, worker.requestIds);
  if (settings.via !== '') appendVia(headers, settings.via);
  return true;
}

/** Host and path in the form in which they are compared; nothing else has looked at them before. */
export function normalizeTarget(
  headers: RequestHeaders,
  settings: ManagerSettings,
  localPort: number,
): PathVerdict {
  const verdict = normalizePath(headers, settings);
  if (verdict === 'continue') normalizeHost(headers, settings, localPort);
  return verdict;
}

const PROTO_LINE = { http: 'x-forwarded-proto: http\r\n', https: 'x-forwarded-proto: https\r\n' };

function forwardedScheme(headers: RequestHeaders, actual: string): string {
  const forwarded = headers.getId(HeaderId.X_FORWARDED_PROTO);
  if (forwarded === 'http' || forwarded === 'https') return forwarded;
  const lower = forwarded?.toLowerCase();
  return lower === 'http' || lower === 'https' ? lower : actual;
}

function setRequestId(
  headers: RequestHeaders,
  settings: ManagerSettings,
  client: ClientAddress,
  ids: RequestIds,
): void {
  if (!settings.generateRequestId) return;
  if (!headers.hasId(HeaderId.X_REQUEST_ID)) {
    const id = ids.next();
    headers.addLine(`x-request-id: ${id}\r\n`, 'x-request-id', id);
  } else if (client.edge && !settings.preserveExternalRequestId) {
    headers.set('x-request-id', ids.next());
  }
}

function addUserAgent(headers: RequestHeaders, { serviceCluster, serviceNode }: WorkerServices): void {
  headers.set('x-envoy-downstream-service-cluster', serviceCluster);
  if (!headers.has('user-agent')) headers.set('user-agent', serviceCluster);
  if (serviceNode !== '') headers.set('x-envoy-downstream-service-node', serviceNode);
}

/** Appends this proxy's name to the via header, in either direction. */
export function appendVia(
  headers: { get(name: string): string | undefined; set(name: string, value: string): boolean },
  via: string,
): void {
  const before = headers.get('via');
  headers.set('via', before === undefined ? via : `${before}, ${via}`);
}

function normalizeHost(headers: RequestHeaders, settings: ManagerSettings, localPort: number): void {
  if (!settings.stripAnyHostPort && !settings.stripMatchingHostPort && !settings.stripTrailingHostDot) return;
  let host = headers.authority;
  const colon = portSeparator(host);
  let port = colon < 0 ? '' : host.slice(colon);
  if (colon >= 0) host = host.slice(0, colon);
  if (settings.stripTrailingHostDot && host.endsWith('.')) host = host.slice(0, -1);
  if (settings.stripAnyHostPort || (settings.stripMatchingHostPort && port === `:${localPort}`)) port = '';
  if (host + port !== headers.authority) headers.authority = host + port;
}

/** Index of the colon before the port in a Host value, or -1; the colons of an IPv6 literal do not count. */
export function portSeparator(host: string): number {
  const colon = host.lastIndexOf(':');
  return colon >= 0 && host.lastIndexOf(']') < colon && /^:\d+$/.test(host.slice(colon)) ? colon : -1;
}
