// The client side of TLS for one cluster: an UpstreamTlsContext made into options of tls.connect, sessions to resume, and the
// judgement on the host's certificate. Made once per worker and cluster.

import { isIP } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { UpstreamTlsContext } from '@dragoman/config';
import type { CertificateInfo, TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import { certificateInfo } from './certificate-info.ts';
import { PeerVerifier, Verdict } from './peer-verifier.ts';
import type { SslStats } from './ssl-stats.ts';
import { TlsConnection } from './tls-connection.ts';
import { secureContextOptions } from './tls-options.ts';
import { certificatesOf, loadCertificate, type StaticSecrets, validationOf } from './tls-secrets.ts';

/** BoringSSL's words for a certificate that was not accepted: logs and alerts know them from Envoy. */
const VERIFY_FAILED =
  'TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end';

/** Sessions kept for resumption, by server name and host. */
const MAX_SESSIONS = 1000;

/** Everything of a context that comes out of files. */
interface Loaded {
  readonly secureContext: SecureContext;
  readonly verifier: PeerVerifier;
  readonly local: CertificateInfo | null;
}

function load(config: UpstreamTlsContext, secrets: StaticSecrets): Loaded {
  const common = config.commonTlsContext;
  const validation = validationOf(common, secrets);
  const certificates = certificatesOf(common, secrets).map(loadCertificate);
  const options = secureContextOptions(common, certificates, validation, 'client');
  return {
    secureContext: process.getBuiltinModule('node:tls').createSecureContext(options),
    verifier: new PeerVerifier(validation),
    local: certificates[0]?.info ?? null,
  };
}

export class UpstreamTls {
  readonly serverName: string;
  /** The server name is the endpoint's host name (auto_host_sni). */
  readonly autoHostSni: boolean;
  /** The certificate has to be for the server name (auto_sni_san_validation). */
  readonly autoSniSanValidation: boolean;
  readonly alpnProtocols: readonly string[];
  readonly #config: UpstreamTlsContext;
  readonly #secrets: StaticSecrets;
  readonly #stats: SslStats;
  #loaded: Loaded;
  readonly #keepsSessions: boolean;
  readonly #sessions = new Map<string, Buffer>();

  /** @throws DragomanError TLS_CERTIFICATE, TLS_SECRET, INVALID_PATH, naming the file. */
  constructor(config: UpstreamTlsContext, secrets: StaticSecrets, stats: SslStats) {
    this.#config = config;
    this.#secrets = secrets;
    this.serverName = config.sni;
    this.autoHostSni = config.autoHostSni;
    this.autoSniSanValidation = config.autoSniSanValidation;
    this.alpnProtocols = config.commonTlsContext?.alpnProtocols ?? [];
    this.#stats = stats;
    this.#keepsSessions = config.maxSessionKeys !== 0;
    this.#loaded = load(config, secrets);
  }

  /**
   * Reads the files again, for connections to come; without files that fit together nothing changes.
   * @throws what the constructor throws.
   */
  reload(): void {
    this.#loaded = load(this.#config, this.#secrets);
    // They were made with the certificate, and judged by the trust, of before.
    this.#sessions.clear();
  }

  get secureContext(): SecureContext {
    return this.#loaded.secureContext;
  }

  get #verifier(): PeerVerifier {
    return this.#loaded.verifier;
  }

  /** The session of an earlier connection to the same place. */
  session(key: string): Buffer | undefined {
    return this.#sessions.get(key);
  }

  /** Keeps the sessions a connection is given. */
  keepSessions(socket: TLSSocket, key: string): void {
    if (!this.#keepsSessions) return;
    socket.on('session', session => {
      if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear();
      this.#sessions.set(key, session);
    });
  }

  /**
   * Judges a host after its handshake. `serverName` null: no name has to be in the certificate. Answers the transport failure
   * in Envoy's words, '' when all is well.
   */
  verify(socket: TLSSocket, serverName: string | null): string {
    const { lane } = this.#stats;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      if (!this.#verifier.verifiesChain) return '';
      lane.inc(this.#stats.failVerifyNoCert);
      return VERIFY_FAILED;
    }
    const chainError = socket.authorized ? '' : String(socket.authorizationError ?? 'unknown');
    const verdict = this.#verifier.judge(certificate, certificateInfo(certificate), chainError, serverName);
    if (verdict === Verdict.Ok) {
      this.#stats.onHandshake(socket.getProtocol() ?? '', socket.getCipher().name, socket.isSessionReused());
      return '';
    }
    const { failVerifySan, failVerifyCertHash, failVerifyError } = this.#stats;
    lane.inc(
      verdict === Verdict.San
        ? failVerifySan
        : verdict === Verdict.Hash
          ? failVerifyCertHash
          : failVerifyError,
    );
    return VERIFY_FAILED;
  }

  /** The handshake itself failed. */
  onHandshakeError(): void {
    this.#stats.lane.inc(this.#stats.connectionError);
  }

  /** The facts for logs. */
  describe(socket: TLSSocket): TlsConnectionInfo {
    const certificate = socket.getPeerX509Certificate();
    const peer = certificate === undefined ? null : certificateInfo(certificate);
    return new TlsConnection(socket, peer, this.#verifier.verifiesChain, this.#loaded.local);
  }
}

/** What may be sent as server name: IP addresses may not (RFC 6066 3). */
export function serverNameOf(host: string): string {
  const name = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, '');
  return isIP(name) === 0 ? name : '';
}
