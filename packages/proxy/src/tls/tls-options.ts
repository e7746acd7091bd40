// CommonTlsContext in the words of node:tls: versions, ciphers, curves, certificates, trust.

import { constants } from 'node:crypto';
import type { SecureContextOptions, SecureVersion } from 'node:tls';
import type { CertificateValidationContext, CommonTlsContext } from '@dragoman/config';
import { readDataSource } from '../format/data-source.ts';
import { type LoadedCertificate, trustedCa } from './tls-secrets.ts';

const VERSIONS: Readonly<Record<string, SecureVersion | undefined>> = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
};

/** Node takes the suites of TLS 1.3 from the same list, and switches the version off when there is none. */
const TLS13_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

/** Envoy's default list, as far as OpenSSL has it. */
const DEFAULT_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:' +
  'ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384';
const DEFAULT_CURVES = 'X25519:P-256';

/** "[a|b]" (equal preference) becomes "a:b". */
function cipherList(suites: readonly string[]): string {
  const named = suites.flatMap(suite => suite.replace(/^\[|\]$/g, '').split('|'));
  return `${TLS13_SUITES}:${named.length === 0 ? DEFAULT_CIPHERS : named.join(':')}`;
}

/** Options for a secure context. `role` decides the highest version: Envoy's clients stop at TLS 1.2 by default. */
export function secureContextOptions(
  common: CommonTlsContext | undefined,
  certificates: readonly LoadedCertificate[],
  validation: CertificateValidationContext | undefined,
  role: 'server' | 'client',
): SecureContextOptions {
  const params = common?.tlsParams;
  const ca = trustedCa(validation);
  const minVersion = VERSIONS[params?.tlsMinimumProtocolVersion ?? ''] ?? 'TLSv1.2';
  const maxVersion =
    VERSIONS[params?.tlsMaximumProtocolVersion ?? ''] ??
    (role === 'server' || minVersion === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2');
  const options: SecureContextOptions = {
    minVersion,
    maxVersion,
    ciphers: cipherList(params?.cipherSuites ?? []),
    ecdhCurve:
      params === undefined || params.ecdhCurves.length === 0 ? DEFAULT_CURVES : params.ecdhCurves.join(':'),
    // Without a CA of its own a context would trust Node's whole list: an empty list trusts nobody.
    ca: ca ?? [],
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...certificateOptions(certificates),
  };
  if (validation?.systemRootCerts !== undefined && ca === undefined) delete options.ca;
  if (params !== undefined && params.signatureAlgorithms.length > 0)
    options.sigalgs = params.signatureAlgorithms.join(':');
  if (validation?.crl !== undefined) options.crl = readDataSource(validation.crl);
  return options;
}

function certificateOptions(certificates: readonly LoadedCertificate[]): SecureContextOptions {
  const options: SecureContextOptions = {};
  const withKeys = certificates.filter(({ key }) => key !== undefined);
  const pkcs12 = certificates.find(({ pfx }) => pfx !== undefined);
  if (withKeys.length > 0) {
    options.cert = withKeys.map(({ cert }) => cert!);
    options.key = withKeys.map(({ key, passphrase }) => ({ pem: key!, passphrase }));
  }
  if (pkcs12 !== undefined) options.pfx = [{ buf: pkcs12.pfx!, passphrase: pkcs12.passphrase }];
  return options;
}
