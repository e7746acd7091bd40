// Format operators on the TLS connections of both sides: versions, ciphers, certificates and their names.

import type { CertificateInfo, StreamInfo, TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import type { FormatValue, OperatorDefinition } from './format-input.ts';
import { compileTimeFormat } from './time-format.ts';

type TlsOf = (info: StreamInfo) => TlsConnectionInfo | null | undefined;
type CertificateOf = (tls: TlsConnectionInfo) => CertificateInfo | null;

const peer: CertificateOf = tls => tls.peer;
const local: CertificateOf = tls => tls.local;

function fact(tlsOf: TlsOf, read: (tls: TlsConnectionInfo) => string | undefined): OperatorDefinition {
  return {
    parameters: 'none',
    truncates: false,
    compile: () => input => {
      const tls = tlsOf(input.info);
      return tls ? read(tls) || null : null;
    },
  };
}

function names(read: (certificate: CertificateInfo) => readonly string[], tlsOf: TlsOf, of: CertificateOf) {
  return fact(tlsOf, tls => {
    const certificate = of(tls);
    return certificate === null ? '' : read(certificate).join(',');
  });
}

function validity(tlsOf: TlsOf, read: (certificate: CertificateInfo) => number): OperatorDefinition {
  return {
    parameters: 'optional',
    truncates: false,
    compile: ({ text }) => {
      const write = compileTimeFormat(text ?? '', false);
      return ({ info }): FormatValue => {
        const certificate = tlsOf(info)?.peer;
        if (!certificate) return null;
        const timeMs = read(certificate);
        return timeMs === 0 ? null : write(timeMs);
      };
    },
  };
}

function operatorsOf(side: string, tlsOf: TlsOf): Record<string, OperatorDefinition> {
  const operators: Record<string, OperatorDefinition> = {
    TLS_VERSION: fact(tlsOf, tls => tls.version),
    TLS_CIPHER: fact(tlsOf, tls => tls.cipher),
    TLS_SESSION_ID: fact(tlsOf, tls => tls.sessionId),
    PEER_SUBJECT: fact(tlsOf, tls => tls.peer?.subject),
    PEER_ISSUER: fact(tlsOf, tls => tls.peer?.issuer),
    PEER_SERIAL: fact(tlsOf, tls => tls.peer?.serial),
    PEER_FINGERPRINT_256: fact(tlsOf, tls => tls.peer?.fingerprint256),
    PEER_FINGERPRINT_1: fact(tlsOf, tls => tls.peer?.fingerprint1),
    PEER_CERT: fact(tlsOf, tls => (tls.peer === null ? '' : encodeURIComponent(tls.peer.pem))),
    PEER_CERT_V_START: validity(tlsOf, certificate => certificate.validFromMs),
    PEER_CERT_V_END: validity(tlsOf, certificate => certificate.validToMs),
    LOCAL_SUBJECT: fact(tlsOf, tls => tls.local?.subject),
  };
  for (const [whose, of] of [['PEER', peer] as const, ['LOCAL', local] as const]) {
    operators[`${whose}_URI_SAN`] = names(certificate => certificate.uriSans, tlsOf, of);
    operators[`${whose}_DNS_SAN`] = names(certificate => certificate.dnsSans, tlsOf, of);
    operators[`${whose}_IP_SAN`] = names(certificate => certificate.ipSans, tlsOf, of);
    operators[`${whose}_EMAIL_SAN`] = names(certificate => certificate.emailSans, tlsOf, of);
  }
  return Object.fromEntries(
    Object.entries(operators).map(([name, operator]) => [`${side}_${name}`, operator]),
  );
}

/** Operators by name. */
export const tlsOperators: Readonly<Record<string, OperatorDefinition>> = {
  ...operatorsOf('DOWNSTREAM', info => info.connection?.tls),
  ...operatorsOf('UPSTREAM', info => info.upstreamTls),
  UPSTREAM_SERVER_NAME: {
    parameters: 'none',
    truncates: false,
    compile: () => input => input.info.upstreamServerName || null,
  },
};
