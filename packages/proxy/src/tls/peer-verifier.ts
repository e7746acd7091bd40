// What a validation context demands of a peer's certificate beyond the chain OpenSSL has checked: names, hashes, public
// key pins (Envoy: DefaultCertValidator). Used for clients and for upstream hosts.

import { createHash, type X509Certificate } from 'node:crypto';
import type { CertificateValidationContext } from '@dragoman/config';
import type { CertificateInfo } from '../filter-chain/stream-info.ts';
import { compileStringMatcher, type StringMatcher } from '../route/string-matcher.ts';

export const Verdict = {
  Ok: '',
  Chain: 'chain',
  San: 'san',
  Hash: 'hash',
  NoCertificate: 'no certificate',
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

interface NameMatcher {
  /** "DNS", "URI", "IP_ADDRESS", "EMAIL", or "" for all but email. */
  readonly type: string;
  readonly matcher: StringMatcher;
  /** The text of an exact matcher: wildcards in a certificate's DNS names match it one label deep. */
  readonly exact: string | undefined;
}

export class PeerVerifier {
  readonly #names: readonly NameMatcher[];
  readonly #hashes: ReadonlySet<string>;
  readonly #spkiHashes: ReadonlySet<string>;
  readonly #allowExpired: boolean;
  /** The chain has to lead to a trusted CA. */
  readonly verifiesChain: boolean;
  /** OpenSSL's verdict on the chain is the last word. */
  readonly leavesChainToOpenssl: boolean;

  constructor(validation: CertificateValidationContext | undefined) {
    const typed = (validation?.matchTypedSubjectAltNames ?? []).flatMap(({ sanType, matcher }) =>
      matcher === undefined
        ? []
        : [{ type: sanType as string, matcher: compileStringMatcher(matcher), exact: matcher.exact }],
    );
    const untyped = (validation?.matchSubjectAltNames ?? []).map(matcher => ({
      type: '',
      matcher: compileStringMatcher(matcher),
      exact: matcher.exact,
    }));
    this.#names = [...typed, ...untyped];
    this.#hashes = new Set(
      (validation?.verifyCertificateHash ?? []).map(hash => hash.replaceAll(':', '').toLowerCase()),
    );
    this.#spkiHashes = new Set(validation?.verifyCertificateSpki ?? []);
    this.#allowExpired = validation?.allowExpiredCertificate ?? false;
    this.verifiesChain =
      (validation?.trustedCa !== undefined || validation?.systemRootCerts !== undefined) &&
      validation.trustChainVerification !== 'ACCEPT_UNTRUSTED';
    this.leavesChainToOpenssl = this.verifiesChain && !this.#allowExpired;
  }

  /**
   * Judges a certificate. `chainError` is OpenSSL's code for the chain, '' when it is good; `serverNames` (auto_san_validation)
   * are further names of which one has to be in the certificate.
   */
  judge(
    certificate: X509Certificate,
    info: CertificateInfo,
    chainError: string,
    serverName: string | null = null,
  ): Verdict {
    if (this.verifiesChain && chainError !== '' && !(this.#allowExpired && TIME_ERRORS.has(chainError)))
      return Verdict.Chain;
    if (this.#names.length > 0 && !this.#names.some(name => nameMatches(name, info))) return Verdict.San;
    if (serverName !== null && !hasServerName(info, serverName)) return Verdict.San;
    if (this.#hashes.size === 0 && this.#spkiHashes.size === 0) return Verdict.Ok;
    if (this.#hashes.has(info.fingerprint256)) return Verdict.Ok;
    if (this.#spkiHashes.size > 0 && this.#spkiHashes.has(spkiHash(certificate))) return Verdict.Ok;
    return Verdict.Hash;
  }
}

const TIME_ERRORS: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

function spkiHash(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

function nameMatches({ type, matcher, exact }: NameMatcher, info: CertificateInfo): boolean {
  const lists = [
    type === 'DNS' || type === '' ? info.dnsSans : [],
    type === 'URI' || type === '' ? info.uriSans : [],
    type === 'IP_ADDRESS' || type === '' ? info.ipSans : [],
    type === 'EMAIL' ? info.emailSans : [],
  ];
  if (lists.some(list => list.some(name => matcher.matches(name)))) return true;
  return exact !== undefined && lists[0].some(name => dnsNameMatches(name, exact));
}

/** auto_san_validation: the certificate is for this host name, or for this IP address. */
function hasServerName(info: CertificateInfo, serverName: string): boolean {
  return info.ipSans.includes(serverName) || info.dnsSans.some(name => dnsNameMatches(name, serverName));
}

/** A DNS name of a certificate, whose first label may be `*` or begin or end with it, against a host name. */
export function dnsNameMatches(pattern: string, name: string): boolean {
  const wanted = pattern.toLowerCase();
  const host = name.toLowerCase();
  if (wanted === host) return true;
  if (!wanted.startsWith('*.')) return false;
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot) === wanted.slice(1) && wanted.indexOf('.', 2) > 0;
}
