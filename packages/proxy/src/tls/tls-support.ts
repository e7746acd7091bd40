// Every TLS context of a configuration, found once when it is loaded: checked with everything it names, so that a wrong file is
// refused before any worker starts, and listed for the admin's /certs. Main thread only.

import { randomBytes, X509Certificate } from 'node:crypto';
import type {
  Any,
  Bootstrap,
  CommonTlsContext,
  DataSource,
  DownstreamTlsContext,
  ProxyProtocolUpstreamTransport,
  ReportMistake,
  SupportDeclaration,
  TransportSocket,
  UpstreamTlsContext,
} from '@dragoman/config';
import type { CertificateInfo } from '../filter-chain/stream-info.ts';
import { readDataSource } from '../format/data-source.ts';
import { certificateInfo } from './certificate-info.ts';
import { PeerVerifier } from './peer-verifier.ts';
import { secureContextOptions } from './tls-options.ts';
import {
  certificatesOf,
  loadCertificate,
  onePerKeyType,
  type StaticSecrets,
  sourceName,
  staticSecrets,
  ticketKey,
  validationOf,
} from './tls-secrets.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const UPSTREAM_PROXY_PROTOCOL =
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';

/** Attachment of a snapshot: 48 random bytes that all workers protect session tickets with. */
export const TICKET_KEY_ATTACHMENT = 'tls.session-ticket-key';

type StaticResources = NonNullable<Bootstrap['staticResources']>;

/** A TLS context and where it stands. */
interface FoundContext {
  readonly path: readonly (string | number)[];
  readonly role: 'server' | 'client';
  readonly common: CommonTlsContext | undefined;
  readonly context: DownstreamTlsContext | UpstreamTlsContext;
}

function contextsOf(resources: StaticResources): FoundContext[] {
  const found: FoundContext[] = [];
  const look = (any: Any | undefined, path: readonly (string | number)[]): void => {
    if (any === undefined) return;
    if (any.typeName === UPSTREAM_PROXY_PROTOCOL) {
      const inner = (any.value as ProxyProtocolUpstreamTransport).transportSocket?.typedConfig;
      look(inner, [...path, 'transport_socket', 'typed_config']);
      return;
    }
    const role = any.typeName === `${TLS}.DownstreamTlsContext` ? 'server' : 'client';
    if (role === 'client' && any.typeName !== `${TLS}.UpstreamTlsContext`) return;
    const context = any.value as DownstreamTlsContext | UpstreamTlsContext;
    found.push({ path, role, common: context.commonTlsContext, context });
  };
  const lookAt = (socket: TransportSocket | undefined, path: readonly (string | number)[]): void =>
    look(socket?.typedConfig, [...path, 'transport_socket', 'typed_config']);
  for (const [i, listener] of resources.listeners.entries()) {
    for (const [j, chain] of listener.filterChains.entries())
      lookAt(chain.transportSocket, ['listeners', i, 'filter_chains', j]);
    lookAt(listener.defaultFilterChain?.transportSocket, ['listeners', i, 'default_filter_chain']);
  }
  for (const [i, cluster] of resources.clusters.entries()) {
    lookAt(cluster.transportSocket, ['clusters', i]);
    for (const [j, match] of cluster.transportSocketMatches.entries())
      lookAt(match.transportSocket, ['clusters', i, 'transport_socket_matches', j]);
  }
  return found;
}

function checkContexts(resources: StaticResources, report: ReportMistake): void {
  const secrets = staticSecrets(resources.secrets);
  for (const { path, role, common, context } of contextsOf(resources)) {
    const attempt = (below: readonly string[], check: () => void): void => {
      try {
        check();
      } catch (error) {
        report([...path, ...below], (error as Error).message);
      }
    };
    attempt(['common_tls_context'], () => checkCommon(common, secrets, role));
    if (role === 'server' && 'sessionTicketKeys' in context)
      attempt(['session_ticket_keys'], () =>
        context.sessionTicketKeys?.keys.forEach(key => void ticketKey(key)),
      );
  }
}

function checkCommon(
  common: CommonTlsContext | undefined,
  secrets: StaticSecrets,
  role: 'server' | 'client',
): void {
  const configs = certificatesOf(common, secrets);
  if (role === 'server' && configs.length === 0)
    throw new Error('No TLS certificates found for server context');
  if (role === 'client' && configs.length > 1)
    throw new Error('Multiple TLS certificates are not supported for client contexts');
  const certificates = configs.map(loadCertificate);
  const validation = validationOf(common, secrets);
  const options = secureContextOptions(common, onePerKeyType(certificates), validation, role);
  process.getBuiltinModule('node:tls').createSecureContext(options);
  new PeerVerifier(validation);
  const names =
    (validation?.matchTypedSubjectAltNames ?? []).length + (validation?.matchSubjectAltNames ?? []).length;
  if (names > 0 && validation?.trustedCa === undefined && validation?.systemRootCerts === undefined)
    throw new Error(
      'SAN-based verification of peer certificates without trusted CA is insecure and not allowed',
    );
}

/** The files that the TLS contexts of a configuration read. */
export function tlsFiles(bootstrap: Bootstrap): ReadonlySet<string> {
  const resources = bootstrap.staticResources;
  const files = new Set<string>();
  if (resources === undefined) return files;
  const secrets = staticSecrets(resources.secrets);
  const add = (source: DataSource | undefined): void => {
    if (source?.filename !== undefined) files.add(source.filename);
  };
  for (const { common, context } of contextsOf(resources)) {
    for (const { certificateChain, privateKey, pkcs12, password } of certificatesOf(common, secrets))
      [certificateChain, privateKey, pkcs12, password].forEach(add);
    const validation = validationOf(common, secrets);
    [validation?.trustedCa, validation?.crl].forEach(add);
    if ('sessionTicketKeys' in context) context.sessionTicketKeys?.keys.forEach(add);
  }
  return files;
}

/** What is wrong with the TLS contexts of a configuration as their files are now. */
export function tlsMistakes(bootstrap: Bootstrap): string[] {
  const mistakes: string[] = [];
  if (bootstrap.staticResources !== undefined)
    checkContexts(bootstrap.staticResources, (path, message) =>
      mistakes.push(`${path.join('.')}: ${message}`),
    );
  return mistakes;
}

/** Support declaration of TLS: the checks that read files. */
export const tlsSupport: SupportDeclaration = {
  checks: { 'envoy.config.bootstrap.v3.Bootstrap.StaticResources': checkContexts },
};

/** What workers need besides the configuration. */
export function transportAttachments(bootstrap: Bootstrap): ReadonlyMap<string, unknown> {
  const resources = bootstrap.staticResources;
  const servesTls = resources !== undefined && contextsOf(resources).some(({ role }) => role === 'server');
  return new Map(servesTls ? [[TICKET_KEY_ATTACHMENT, randomBytes(48)]] : []);
}

/** A certificate in use, with where it was read from. */
export interface CertificateInUse {
  readonly path: string;
  readonly certificate: CertificateInfo;
}

/** The certificates of all contexts of a checked configuration, a context an entry. */
export function certificatesInUse(
  bootstrap: Bootstrap,
): { readonly trusted: readonly CertificateInUse[]; readonly chain: readonly CertificateInUse[] }[] {
  const resources = bootstrap.staticResources;
  if (resources === undefined) return [];
  const secrets = staticSecrets(resources.secrets);
  return contextsOf(resources).map(({ common }) => {
    const ca = validationOf(common, secrets)?.trustedCa;
    const trusted =
      ca === undefined
        ? []
        : [{ path: sourceName(ca), certificate: certificateInfo(new X509Certificate(readDataSource(ca))) }];
    const chain = certificatesOf(common, secrets).flatMap(config => {
      const { info } = loadCertificate(config);
      return info === null ? [] : [{ path: sourceName(config.certificateChain), certificate: info }];
    });
    return { trusted, chain };
  });
}
