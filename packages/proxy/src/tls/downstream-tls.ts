// The server side of TLS for one filter chain: a DownstreamTlsContext made into servers of node:tls that are given accepted
// sockets, and the judgement on client certificates. Made once per worker and configuration.

import { constants, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { DownstreamTlsContext } from '@dragoman/config';
import type { CertificateInfo, TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import type { ClientHello } from '../listener-filter/client-hello.ts';
import { certificateInfo } from './certificate-info.ts';
import { dnsNameMatches, PeerVerifier, Verdict } from './peer-verifier.ts';
import type { SslStats } from './ssl-stats.ts';
import { TlsConnection } from './tls-connection.ts';
import { secureContextOptions } from './tls-options.ts';
import {
  certificatesOf,
  type LoadedCertificate,
  loadCertificate,
  onePerKeyType,
  type StaticSecrets,
  ticketKey,
  validationOf,
} from './tls-secrets.ts';

export interface DownstreamTlsOptions {
  readonly config: DownstreamTlsContext;
  readonly secrets: StaticSecrets;
  readonly stats: SslStats;
  /** 48 random bytes, the same in all workers: a session may be resumed at another worker than it began at. */
  readonly ticketKey: Buffer | null;
  /** 0: Node's own limit. */
  readonly handshakeTimeoutMs: number;
}

/** Hears how a handshake ended; exactly one of the two is called, once. */
export interface HandshakeHandler {
  onSecure(socket: TLSSocket, tls: TlsConnectionInfo): void;
  /** The socket is destroyed. `timedOut`: the client took too long. */
  onHandshakeFailed(reason: string, timedOut: boolean): void;
}

/** Sockets that TLS is being spoken on, with who wants to know. */
type Handlers = WeakMap<object, HandshakeHandler>;

/** Everything of a context that comes out of files. */
interface Loaded {
  readonly verifier: PeerVerifier;
  readonly certificates: readonly LoadedCertificate[];
  readonly contexts: NamedContexts;
}

export class DownstreamTls {
  readonly #options: DownstreamTlsOptions;
  readonly #stats: SslStats;
  readonly #requiresClientCertificate: boolean;
  readonly #asksForCertificate: boolean;
  readonly #requiresSni: boolean;
  readonly #alpnProtocols: readonly string[];
  readonly #handlers: Handlers = new WeakMap();
  #loaded: Loaded;
  #plain: Server;
  #negotiating: Server | null;

  /** @throws DragomanError TLS_CERTIFICATE, TLS_SECRET, TLS_TICKET_KEY, INVALID_PATH, naming the file. */
  constructor(options: DownstreamTlsOptions) {
    const { config, secrets } = options;
    const common = config.commonTlsContext;
    this.#options = options;
    this.#stats = options.stats;
    this.#requiresClientCertificate = config.requireClientCertificate ?? false;
    this.#asksForCertificate = this.#requiresClientCertificate || validationOf(common, secrets) !== undefined;
    this.#requiresSni = config.requireSni ?? false;
    this.#alpnProtocols = common?.alpnProtocols ?? [];
    this.#loaded = load(options);
    this.#plain = this.#server([]);
    this.#negotiating = this.#alpnProtocols.length === 0 ? null : this.#server(this.#alpnProtocols);
  }

  /**
   * Reads the files again. Connections keep what they began with; without files that fit together nothing changes.
   * @throws what the constructor throws.
   */
  reload(): void {
    this.#loaded = load(this.#options);
    this.#plain = this.#server([]);
    this.#negotiating = this.#alpnProtocols.length === 0 ? null : this.#server(this.#alpnProtocols);
  }

  get #verifier(): PeerVerifier {
    return this.#loaded.verifier;
  }

  /** The first certificate, for logs and x-forwarded-client-cert. */
  get localCertificate(): CertificateInfo | null {
    return this.#loaded.certificates[0]?.info ?? null;
  }

  /** The ClientHello has to be read first: node:tls refuses clients that share no protocol, and Envoy does not. */
  get needsClientHello(): boolean {
    return this.#alpnProtocols.length > 0 || this.#requiresSni;
  }

  /** Speaks TLS on an accepted socket. `hello` is its ClientHello, when it was read and put back. */
  handshake(socket: Socket, hello: ClientHello | null, handler: HandshakeHandler): void {
    if (this.#requiresSni && hello !== null && hello.serverName === '') {
      this.#stats.lane.inc(this.#stats.connectionError);
      socket.destroy();
      handler.onHandshakeFailed('TLS_error:|server name missing', false);
      return;
    }
    const shares =
      hello?.applicationProtocols.some(protocol => this.#alpnProtocols.includes(protocol)) ?? false;
    const server = this.#negotiating !== null && shares ? this.#negotiating : this.#plain;
    this.#handlers.set(socket, handler);
    // A client that leaves in the middle of the handshake would otherwise be waited for until the handshake timeout.
    socket.allowHalfOpen = false;
    server.emit('connection', socket);
  }

  #server(alpnProtocols: readonly string[]): Server {
    const { contexts } = this.#loaded;
    const { handshakeTimeoutMs } = this.#options;
    const server = createServer({
      ...contexts.firstOptions,
      requestCert: this.#asksForCertificate,
      // OpenSSL then refuses clients without certificate itself, with the right alert.
      rejectUnauthorized: this.#requiresClientCertificate && this.#verifier.leavesChainToOpenssl,
      ...(contexts.empty ? {} : { SNICallback: (name, done) => done(null, contexts.forName(name)) }),
      ...(alpnProtocols.length > 0 ? { ALPNProtocols: [...alpnProtocols] } : {}),
      ...(handshakeTimeoutMs > 0 ? { handshakeTimeout: handshakeTimeoutMs } : {}),
    } satisfies TlsOptions);
    server.on('secureConnection', socket => this.#onSecure(socket));
    server.on('tlsClientError', (error, socket) => this.#onError(error as NodeJS.ErrnoException, socket));
    return server;
  }

  #takeHandler(socket: TLSSocket): HandshakeHandler | null {
    // The wrapped socket: net.Socket has had this field for TLS since Node 0.12, and nothing else tells.
    const accepted = (socket as unknown as { _parent: object | null })._parent;
    const handler = accepted === null ? undefined : this.#handlers.get(accepted);
    if (accepted !== null) this.#handlers.delete(accepted);
    return handler ?? null;
  }

  #onError(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const handler = this.#takeHandler(socket);
    const { lane } = this.#stats;
    // Set when OpenSSL did not like the client's chain: then Node has closed the connection without more words.
    const chainError = socket.authorizationError as unknown as string | null;
    const code = chainError ?? error.code ?? error.message;
    if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') lane.inc(this.#stats.failVerifyNoCert);
    else lane.inc(chainError === null ? this.#stats.connectionError : this.#stats.failVerifyError);
    socket.destroy();
    handler?.onHandshakeFailed(`TLS_error:|${code}`, error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT');
  }

  #onSecure(socket: TLSSocket): void {
    const handler = this.#takeHandler(socket);
    if (handler === null) {
      socket.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    const certificate = this.#asksForCertificate ? (socket.getPeerX509Certificate() ?? null) : null;
    const peer = certificate === null ? null : certificateInfo(certificate);
    const verdict = this.#judge(socket, certificate, peer);
    if (verdict !== Verdict.Ok) {
      this.#charge(verdict);
      socket.destroy();
      handler.onHandshakeFailed(`TLS_error:|certificate verify failed:${verdict}`, false);
      return;
    }
    const local = this.#localCertificate(socket);
    const tls = new TlsConnection(
      socket,
      peer,
      peer !== null && this.#verifier.verifiesChain && socket.authorized,
      local,
    );
    this.#stats.onHandshake(tls.version, tls.cipher, socket.isSessionReused());
    if (peer === null) this.#stats.lane.inc(this.#stats.noCertificate);
    handler.onSecure(socket, tls);
  }

  #judge(socket: TLSSocket, certificate: X509Certificate | null, peer: CertificateInfo | null): Verdict {
    if (certificate === null || peer === null)
      return this.#requiresClientCertificate ? Verdict.NoCertificate : Verdict.Ok;
    const { authorized, authorizationError } = socket;
    return this.#verifier.judge(certificate, peer, authorized ? '' : String(authorizationError ?? 'unknown'));
  }

  #charge(verdict: Verdict): void {
    const stats = this.#stats;
    const slot =
      verdict === Verdict.NoCertificate
        ? stats.failVerifyNoCert
        : verdict === Verdict.San
          ? stats.failVerifySan
          : verdict === Verdict.Hash
            ? stats.failVerifyCertHash
            : stats.failVerifyError;
    stats.lane.inc(slot);
  }

  #localCertificate(socket: TLSSocket): CertificateInfo | null {
    if (this.#loaded.certificates.length <= 1) return this.localCertificate;
    const used = socket.getX509Certificate();
    return used === undefined ? null : certificateInfo(used);
  }
}

function load(options: DownstreamTlsOptions): Loaded {
  const { config, secrets } = options;
  const common = config.commonTlsContext;
  const validation = validationOf(common, secrets);
  const certificates = certificatesOf(common, secrets).map(loadCertificate);
  const sessions = sessionOptions(options);
  const contextOptions = (some: readonly LoadedCertificate[]): SecureContextOptions => ({
    ...secureContextOptions(common, some, validation, 'server'),
    ...sessions,
    honorCipherOrder: !config.preferClientCiphers,
  });
  return {
    verifier: new PeerVerifier(validation),
    certificates,
    contexts: new NamedContexts(certificates, contextOptions),
  };
}

function sessionOptions({ config, ticketKey: shared }: DownstreamTlsOptions): SecureContextOptions {
  const options: SecureContextOptions = { sessionIdContext: SESSION_ID_CONTEXT };
  const [configured] = config.sessionTicketKeys?.keys ?? [];
  if (configured !== undefined) options.ticketKeys = ticketKey(configured);
  else if (shared !== null) options.ticketKeys = shared;
  if (config.sessionTimeout !== undefined) options.sessionTimeout = Math.ceil(config.sessionTimeout / 1000);
  if (config.disableStatelessSessionResumption === true)
    options.secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  return options;
}

/** Sessions are bound to it; it has to be the same at every worker. */
const SESSION_ID_CONTEXT = 'dragoman';

/** One secure context for each server name the certificates are for; the first certificate serves all others. */
class NamedContexts {
  readonly firstOptions: SecureContextOptions;
  readonly #first: SecureContext;
  readonly #exact = new Map<string, SecureContext>();
  readonly #wildcards: { readonly pattern: string; readonly context: SecureContext }[] = [];

  constructor(
    certificates: readonly LoadedCertificate[],
    optionsFor: (certificates: readonly LoadedCertificate[]) => SecureContextOptions,
  ) {
    this.firstOptions = optionsFor(onePerKeyType(certificates));
    this.#first = createSecureContext(this.firstOptions);
    if (certificates.length < 2) return;
    for (const name of new Set(certificates.flatMap(namesOf))) {
      const fitting = onePerKeyType(certificates.filter(one => namesOf(one).includes(name)));
      const context = createSecureContext(optionsFor(fitting));
      if (name.startsWith('*.')) this.#wildcards.push({ pattern: name, context });
      else this.#exact.set(name, context);
    }
  }

  /** One certificate for all names. */
  get empty(): boolean {
    return this.#exact.size === 0 && this.#wildcards.length === 0;
  }

  /** Exact names go before wildcards. */
  forName(serverName: string): SecureContext {
    const name = serverName.toLowerCase();
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    return this.#wildcards.find(({ pattern }) => dnsNameMatches(pattern, name))?.context ?? this.#first;
  }
}

function namesOf({ info }: LoadedCertificate): string[] {
  if (info === null) return [];
  if (info.dnsSans.length > 0) return info.dnsSans.map(name => name.toLowerCase());
  const commonName = /(?:^|,)CN=([^,]+)/.exec(info.subject)?.[1];
  return commonName === undefined ? [] : [commonName.toLowerCase()];
}
