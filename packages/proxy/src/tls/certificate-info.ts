// The facts of an X.509 certificate as logs, x-forwarded-client-cert and SAN matching read them.

import type { X509Certificate } from 'node:crypto';
import type { CertificateInfo } from '../filter-chain/stream-info.ts';

/** Reads a certificate once; the result is plain data. */
export function certificateInfo(certificate: X509Certificate): CertificateInfo {
  const names = subjectAltNames(certificate.subjectAltName);
  return {
    subject: rfc2253(certificate.subject),
    issuer: rfc2253(certificate.issuer),
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint256: plainHex(certificate.fingerprint256),
    fingerprint1: plainHex(certificate.fingerprint),
    uriSans: names.URI ?? NO_NAMES,
    dnsSans: names.DNS ?? NO_NAMES,
    ipSans: names['IP Address'] ?? NO_NAMES,
    emailSans: names.email ?? NO_NAMES,
    pem: certificate.toString(),
    validFromMs: certificate.validFromDate.getTime(),
    validToMs: certificate.validToDate.getTime(),
  };
}

const NO_NAMES: readonly string[] = [];

function plainHex(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}

/** Node lists the parts of a distinguished name one a line, first to last; RFC 2253 wants them in one, last to first. */
function rfc2253(name: string | undefined): string {
  if (name === undefined || name === '') return '';
  return name.split('\n').reverse().join(',').replaceAll(' + ', '+');
}

/** Names by type. Node writes "DNS:a, URI:b", and quotes a value that has separators in it as a JSON string. */
function subjectAltNames(text: string | undefined): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  if (text === undefined) return names;
  const entry = /([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
  for (let found = entry.exec(text); found !== null; found = entry.exec(text)) {
    const [, type, value] = found;
    (names[type] ??= []).push(value.startsWith('"') ? (JSON.parse(value) as string) : value);
  }
  return names;
}
