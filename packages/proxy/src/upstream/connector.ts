// How sockets to the hosts of a cluster are made: plaintext or TLS, with a PROXY protocol header in front where the cluster
// wants one, and what of a request has a say in it (auto_sni, the client's addresses). Pools make HTTP of the sockets.

import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { DragomanError } from '@dragoman/base';
import type {
  Any,
  JsonObject,
  ProxyProtocolUpstreamTransport,
  TransportSocket,
  UpstreamTlsContext,
} from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { UpstreamProtocol } from '../cluster/protocol-options.ts';
import type { DownstreamConnectionInfo, TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import { type ProxiedAddresses, writeProxyHeader } from '../listener-filter/proxy-protocol.ts';
import type { BufferedRead } from '../socket/buffered-read.ts';
import { bindOptions, keepaliveOptions } from '../socket/socket-options.ts';
import { SslStats } from '../tls/ssl-stats.ts';
import type { StaticSecrets } from '../tls/tls-secrets.ts';
import { serverNameOf, UpstreamTls } from '../tls/upstream-tls.ts';

export const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
export const UPSTREAM_PROXY_PROTOCOL =
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';

/** What of a request can decide about the connection it needs; a Stream has it. */
export interface ConnectionDemand {
  readonly requestHeaders: RequestHeaders | null;
  readonly info: { readonly protocol: string; readonly connection: DownstreamConnectionInfo | null };
}

/** One kind of connection to a host. Requests that need the same kind share a pool. */
export interface ConnectionKind {
  /** Text that is the same for equal kinds; '' for the only one of most clusters. */
  readonly key: string;
  readonly http2: boolean;
  /** Both protocols are offered by ALPN, and the host decides. */
  readonly negotiates: boolean;
  /** Not for HTTP: bytes are passed on as they are. Either side may finish before the other. */
  readonly raw: boolean;
  /** Server name for TLS in place of the configured one; ''. */
  readonly serverName: string;
  /** A name the host's certificate has to have; null for none. */
  readonly verifiedName: string | null;
  /** Addresses for the PROXY protocol. */
  readonly proxied: ProxiedAddresses | null;
}

/** A socket under way. */
export interface ConnectingSocket {
  readonly socket: Socket;
  /** The event that says that it can be written to: 'connect' or 'secureConnect'. */
  readonly readyEvent: string;
  /** Bytes come through the `onread` that was given; otherwise through 'data'. */
  readonly reading: boolean;
}

interface Transport {
  readonly tls: UpstreamTls | null;
  /** Version of the PROXY protocol; 0: none. */
  readonly proxyVersion: 0 | 1 | 2;
}

const PLAIN: Transport = { tls: null, proxyVersion: 0 };

export class Connector {
  readonly #cluster: Cluster;
  readonly #transport: Transport;
  readonly #matches: readonly { readonly match: JsonObject; readonly transport: Transport }[];
  readonly #autoSni: boolean;
  readonly #autoSanValidation: boolean;
  readonly #sniHeader: string;
  readonly #socketOptions: object;
  /** The kind of every connection, or null when it depends on the request. */
  readonly only: ConnectionKind | null;

  /** @throws DragomanError TRANSPORT_SOCKET, and what reading certificates throws. */
  constructor(cluster: Cluster, secrets: StaticSecrets) {
    const { config, protocolOptions } = cluster;
    const compile = (socket: TransportSocket | undefined): Transport =>
      compileTransport(socket, cluster, secrets);
    this.#cluster = cluster;
    this.#transport = compile(config.transportSocket);
    this.#matches = config.transportSocketMatches.map(({ match, transportSocket }) => ({
      match: match ?? {},
      transport: compile(transportSocket),
    }));
    const { upstream } = protocolOptions;
    this.#autoSni = upstream?.autoSni ?? false;
    this.#autoSanValidation = upstream?.autoSanValidation ?? false;
    this.#sniHeader = (upstream?.overrideAutoSniHeader ?? '').toLowerCase();
    const { upstreamConnectionOptions, upstreamBindConfig } = config;
    this.#socketOptions = {
      ...keepaliveOptions(upstreamConnectionOptions?.tcpKeepalive),
      ...bindOptions(upstreamBindConfig),
    };
    const transports = [this.#transport, ...this.#matches.map(({ transport }) => transport)];
    const varies =
      protocolOptions.protocol === UpstreamProtocol.DOWNSTREAM ||
      ((this.#autoSni || this.#autoSanValidation) && transports.some(({ tls }) => tls !== null)) ||
      transports.some(({ proxyVersion }) => proxyVersion > 0);
    this.only = varies ? null : this.#kind(null);
  }

  /** Reads the files of its TLS contexts again. @throws what reading certificates throws. */
  reloadTls(): void {
    this.#transport.tls?.reload();
    for (const { transport } of this.#matches) transport.tls?.reload();
  }

  /** The kind of connection a request needs. */
  kindFor(demand: ConnectionDemand | null): ConnectionKind {
    return this.only ?? this.#kind(demand);
  }

  #kind(demand: ConnectionDemand | null): ConnectionKind {
    const { protocol } = this.#cluster.protocolOptions;
    const http2 =
      protocol === UpstreamProtocol.HTTP2 ||
      (protocol === UpstreamProtocol.DOWNSTREAM && demand?.info.protocol === 'HTTP/2');
    const headers = demand?.requestHeaders ?? null;
    const hasTls = this.#transport.tls !== null || this.#matches.length > 0;
    const host = headers === null || !hasTls ? '' : this.#hostOf(headers);
    const connection = this.#transport.proxyVersion > 0 ? (demand?.info.connection ?? null) : null;
    const serverName = this.#autoSni ? serverNameOf(host) : '';
    const verifiedName = this.#autoSanValidation && host !== '' ? host.replace(/:\d+$/, '') : null;
    const proxied = connection === null ? null : proxiedAddresses(connection);
    const negotiates = protocol === UpstreamProtocol.AUTO;
    const key =
      serverName === '' &&
      verifiedName === null &&
      proxied === null &&
      protocol !== UpstreamProtocol.DOWNSTREAM
        ? ''
        : [http2, serverName, verifiedName, proxied === null ? '' : Object.values(proxied)].join(' ');
    return { key, http2, negotiates, raw: false, serverName, verifiedName, proxied };
  }

  #hostOf(headers: RequestHeaders): string {
    const override = this.#sniHeader === '' ? undefined : headers.get(this.#sniHeader);
    return override ?? headers.authority;
  }

  /** Begins to connect. */
  connect(host: Host, kind: ConnectionKind, onread: BufferedRead['onread'] | null): ConnectingSocket {
    const transport = this.#transportFor(host);
    const place =
      host.pipePath === ''
        ? { host: host.address, port: host.port, ...this.#socketOptions }
        : { path: host.pipePath };
    const reads = { allowHalfOpen: kind.raw, ...(onread === null ? {} : { onread }) };
    if (transport.tls === null) {
      const socket = connect({ ...place, noDelay: true, ...reads });
      if (transport.proxyVersion !== 0) socket.write(writeProxyHeader(transport.proxyVersion, kind.proxied));
      return { socket, readyEvent: 'connect', reading: onread !== null };
    }
    if (transport.proxyVersion === 0) {
      const socket = this.#connectTls(transport.tls, host, kind, { ...place, ...reads });
      return { socket, readyEvent: 'secureConnect', reading: onread !== null };
    }
    const plain = connect({ ...place, noDelay: true, allowHalfOpen: kind.raw });
    plain.write(writeProxyHeader(transport.proxyVersion, kind.proxied));
    const socket = this.#connectTls(transport.tls, host, kind, { socket: plain });
    return { socket, readyEvent: 'secureConnect', reading: false };
  }

  #connectTls(tls: UpstreamTls, host: Host, kind: ConnectionKind, place: object): TLSSocket {
    const servername = this.#serverName(tls, host, kind);
    const sessionKey = `${servername} ${host.addressText}`;
    const session = tls.session(sessionKey);
    const alpnProtocols = alpnFor(tls, kind);
    const socket = process.getBuiltinModule('node:tls').connect({
      ...place,
      secureContext: tls.secureContext,
      // Names are checked as the context says, after the handshake.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: alpnProtocols }),
      ...(servername === '' ? {} : { servername }),
      ...(session === undefined ? {} : { session }),
    });
    socket.setNoDelay(true);
    tls.keepSessions(socket, sessionKey);
    return socket;
  }

  #serverName(tls: UpstreamTls, host: Host, kind: ConnectionKind): string {
    if (kind.serverName !== '') return kind.serverName;
    if (tls.autoHostSni && host.hostname !== '') return serverNameOf(host.hostname);
    return tls.serverName;
  }

  /** Judges the host when the socket is ready; '' or the transport failure. The socket is the caller's to destroy. */
  verify(host: Host, kind: ConnectionKind, socket: Socket): string {
    const { tls } = this.#transportFor(host);
    if (tls === null) return '';
    const expected = tls.autoSniSanValidation ? this.#serverName(tls, host, kind) : kind.verifiedName;
    return tls.verify(socket as TLSSocket, expected);
  }

  /** The words for a connection attempt that failed, as the log shows them. */
  failureText(host: Host, error: NodeJS.ErrnoException): string {
    const { tls } = this.#transportFor(host);
    const { code } = error;
    const text = ERROR_TEXTS[code ?? ''];
    if (tls === null || text !== undefined)
      return `delayed connect error: ${text ?? code ?? 'Unknown error'}`;
    tls.onHandshakeError();
    return `TLS_error:|${code ?? error.message}:TLS_error_end`;
  }

  tlsInfo(host: Host, socket: Socket): TlsConnectionInfo | null {
    return this.#transportFor(host).tls?.describe(socket as TLSSocket) ?? null;
  }

  #transportFor(host: Host): Transport {
    if (this.#matches.length === 0) return this.#transport;
    const facts = host.metadata?.filterMetadata['envoy.transport_socket_match'] ?? {};
    const found = this.#matches.find(({ match }) =>
      Object.entries(match).every(([key, value]) => JSON.stringify(facts[key]) === JSON.stringify(value)),
    );
    return found?.transport ?? this.#transport;
  }
}

/** Envoy offers what the cluster speaks, unless the context says something else. */
function alpnFor(tls: UpstreamTls, { http2, negotiates, raw }: ConnectionKind): string[] {
  if (negotiates) return ['h2', 'http/1.1'];
  if (tls.alpnProtocols.length > 0 || raw) return [...tls.alpnProtocols];
  return [http2 ? 'h2' : 'http/1.1'];
}

function proxiedAddresses(connection: DownstreamConnectionInfo): ProxiedAddresses {
  const { remoteAddress, remotePort, localAddress, localPort } = connection;
  return { remoteAddress, remotePort, localAddress, localPort };
}

function compileTransport(
  socket: TransportSocket | undefined,
  cluster: Cluster,
  secrets: StaticSecrets,
): Transport {
  const any: Any | undefined = socket?.typedConfig;
  if (any === undefined) return PLAIN;
  switch (any.typeName) {
    case RAW_BUFFER:
      return PLAIN;
    case UPSTREAM_TLS: {
      const stats = new SslStats(cluster.lane, `cluster.${cluster.statName}.`);
      return { tls: new UpstreamTls(any.value as UpstreamTlsContext, secrets, stats), proxyVersion: 0 };
    }
    case UPSTREAM_PROXY_PROTOCOL: {
      const { config, transportSocket } = any.value as ProxyProtocolUpstreamTransport;
      const inner = compileTransport(transportSocket, cluster, secrets);
      return { tls: inner.tls, proxyVersion: config?.version === 'V2' ? 2 : 1 };
    }
    default:
      throw new DragomanError(
        'TRANSPORT_SOCKET',
        `cluster ${cluster.name}: transport_socket ${socket?.name}: ${any.typeName} is not known here`,
      );
  }
}

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ECONNRESET: 'Connection reset by peer',
  ETIMEDOUT: 'Connection timed out',
  EACCES: 'Permission denied',
  ENOENT: 'No such file or directory',
  EADDRNOTAVAIL: 'Cannot assign requested address',
};
