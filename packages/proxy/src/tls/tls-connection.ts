// What is known of one TLS connection after its handshake. Costly facts are read when somebody asks for them.

import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { CertificateInfo, TlsConnectionInfo } from '../filter-chain/stream-info.ts';

export class TlsConnection implements TlsConnectionInfo {
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly peer: CertificateInfo | null;
  readonly peerValidated: boolean;
  readonly local: CertificateInfo | null;
  readonly #socket: TLSSocket;
  #sessionId: string | null = null;

  constructor(
    socket: TLSSocket,
    peer: CertificateInfo | null,
    peerValidated: boolean,
    local: CertificateInfo | null,
  ) {
    this.version = socket.getProtocol() ?? '';
    this.cipher = socket.getCipher().name;
    this.alpn = socket.alpnProtocol || '';
    this.peer = peer;
    this.peerValidated = peerValidated;
    this.local = local;
    this.#socket = socket;
  }

  get sessionId(): string {
    this.#sessionId ??= sessionIdOf(this.#socket.getSession());
    return this.#sessionId;
  }

  /** PEM of the peer's certificate and of those it was sent with. */
  get peerChainPem(): string {
    let pem = '';
    const seen = new Set<string>();
    let certificate: DetailedPeerCertificate | undefined = this.#socket.getPeerCertificate(true);
    while (certificate?.raw !== undefined && !seen.has(certificate.fingerprint256)) {
      seen.add(certificate.fingerprint256);
      pem += new X509Certificate(certificate.raw).toString();
      certificate = certificate.issuerCertificate;
    }
    return pem;
  }
}

/** The session id in OpenSSL's DER form of a session: SEQUENCE { version, TLS version, cipher, id, ... }. */
export function sessionIdOf(session: Buffer | undefined): string {
  if (session === undefined || session.length < 2) return '';
  let at = session[1] < 0x80 ? 2 : 2 + (session[1] & 0x7f);
  for (let field = 0; field < 3; field++) at += 2 + (session[at + 1] ?? 0);
  if (session[at] !== 4) return '';
  return session.subarray(at + 2, at + 2 + session[at + 1]).toString('hex');
}
