// x-forwarded-client-cert: what a client may say in it, and what the proxy says about the client's certificate
// (Envoy: ConnectionManagerUtility::mutateXfccRequestHeader).

import type { HttpConnectionManager } from '@dragoman/config';
import { HeaderId, type RequestHeaders } from '@dragoman/http';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import { TlsConnection } from './tls-connection.ts';

const NAME = 'x-forwarded-client-cert';

/** forward_client_cert_details and set_current_client_cert_details of one connection manager. */
export class ClientCertForwarding {
  readonly #mode: string;
  readonly #cert: boolean;
  readonly #chain: boolean;
  readonly #subject: boolean;
  readonly #uri: boolean;
  readonly #dns: boolean;

  constructor(config: HttpConnectionManager) {
    const details = config.setCurrentClientCertDetails;
    this.#mode = config.forwardClientCertDetails;
    this.#cert = details?.cert ?? false;
    this.#chain = details?.chain ?? false;
    this.#subject = details?.subject ?? false;
    this.#uri = details?.uri ?? false;
    this.#dns = details?.dns ?? false;
  }

  /** Removes, keeps, appends or replaces the header. */
  apply(headers: RequestHeaders, tls: TlsConnectionInfo | null): void {
    const mode = this.#mode;
    if (mode === 'ALWAYS_FORWARD_ONLY') return;
    if (mode === 'SANITIZE' || tls === null || tls.peer === null) {
      headers.removeId(HeaderId.X_FORWARDED_CLIENT_CERT);
      return;
    }
    if (mode === 'FORWARD_ONLY') return;
    const own = this.#describe(tls);
    const before = mode === 'APPEND_FORWARD' ? headers.getAll(NAME).join(',') : '';
    headers.set(NAME, before === '' ? own : `${before},${own}`);
  }

  #describe(tls: TlsConnectionInfo): string {
    const peer = tls.peer!;
    const parts = (tls.local?.uriSans ?? []).map(uri => `By=${uri}`);
    parts.push(`Hash=${peer.fingerprint256}`);
    if (this.#cert) parts.push(`Cert="${encodeURIComponent(peer.pem)}"`);
    if (this.#chain && tls instanceof TlsConnection)
      parts.push(`Chain="${encodeURIComponent(tls.peerChainPem)}"`);
    if (this.#subject) parts.push(`Subject="${peer.subject}"`);
    if (this.#uri) parts.push(...peer.uriSans.map(uri => `URI=${uri}`));
    if (this.#dns) parts.push(...peer.dnsSans.map(dns => `DNS=${dns}`));
    // Header values are byte strings: names in a certificate may be any text.
    return Buffer.from(parts.join(';'), 'utf8').toString('latin1');
  }
}
