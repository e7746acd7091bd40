// Where a TLS context's certificates and trust come from: written in it, or static secrets it names. Certificates are
// loaded and checked here, so that every mistake names its file or secret.

import { createHash, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { DragomanError } from '@dragoman/base';
import type {
  CertificateValidationContext,
  CommonTlsContext,
  DataSource,
  SdsSecretConfig,
  Secret,
  TlsCertificate,
} from '@dragoman/config';
import type { CertificateInfo } from '../filter-chain/stream-info.ts';
import { readDataSource } from '../format/data-source.ts';
import { certificateInfo } from './certificate-info.ts';

/** The secrets of `static_resources.secrets`, by name. */
export type StaticSecrets = ReadonlyMap<string, Secret>;

export function staticSecrets(secrets: readonly Secret[] | undefined): StaticSecrets {
  return new Map((secrets ?? []).map(secret => [secret.name, secret]));
}

/** A certificate with its key, in the form node:tls takes. */
export interface LoadedCertificate {
  /** PEM of the chain, leaf first; undefined for PKCS #12. */
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly pfx: Buffer | undefined;
  readonly passphrase: string | undefined;
  /** The leaf; null for PKCS #12, which Node does not open for reading. */
  readonly info: CertificateInfo | null;
  /** "ec", "rsa", ...: OpenSSL holds one certificate of each type. */
  readonly keyType: string;
}

/** What a data source is called in messages. */
export function sourceName(source: DataSource | undefined): string {
  if (source?.filename !== undefined) return source.filename;
  if (source?.environmentVariable !== undefined) return `environment variable ${source.environmentVariable}`;
  return '<inline>';
}

/** @throws DragomanError TLS_CERTIFICATE, INVALID_PATH or ENVIRONMENT_VARIABLE, naming the file. */
export function loadCertificate(config: TlsCertificate): LoadedCertificate {
  const passphrase =
    config.password === undefined ? undefined : readDataSource(config.password).toString('utf8').trimEnd();
  if (config.pkcs12 !== undefined) {
    const pfx = readDataSource(config.pkcs12);
    tryContext({ pfx, passphrase }, `Failed to load pkcs12 from ${sourceName(config.pkcs12)}`);
    return { cert: undefined, key: undefined, pfx, passphrase, info: null, keyType: 'pkcs12' };
  }
  if (config.certificateChain === undefined || config.privateKey === undefined)
    throw new DragomanError(
      'TLS_CERTIFICATE',
      'Failed to load incomplete certificate: certificate chain or private key not set',
    );
  const cert = readDataSource(config.certificateChain);
  const key = readDataSource(config.privateKey);
  const chainName = sourceName(config.certificateChain);
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch (cause) {
    throw new DragomanError('TLS_CERTIFICATE', `Failed to load certificate chain from ${chainName}`, {
      cause,
    });
  }
  tryContext(
    { cert, key, passphrase },
    `Failed to load private key from ${sourceName(config.privateKey)} for the certificate chain from ${chainName}`,
  );
  const keyType = leaf.publicKey.asymmetricKeyType ?? '';
  return { cert, key, pfx: undefined, passphrase, info: certificateInfo(leaf), keyType };
}

function tryContext(options: Parameters<typeof createSecureContext>[0], what: string): void {
  try {
    createSecureContext(options);
  } catch (cause) {
    throw new DragomanError('TLS_CERTIFICATE', `${what}: ${(cause as Error).message}`, { cause });
  }
}

function secretNamed(secrets: StaticSecrets, { name }: SdsSecretConfig): Secret {
  const secret = secrets.get(name);
  if (secret === undefined) throw new DragomanError('TLS_SECRET', `Unknown static secret: ${name}`);
  return secret;
}

/** The certificates of a context, in its order. */
export function certificatesOf(
  common: CommonTlsContext | undefined,
  secrets: StaticSecrets,
): TlsCertificate[] {
  const named = (common?.tlsCertificateSdsSecretConfigs ?? []).map(config => {
    const { tlsCertificate } = secretNamed(secrets, config);
    if (tlsCertificate === undefined)
      throw new DragomanError('TLS_SECRET', `Static secret ${config.name} is not a TLS certificate`);
    return tlsCertificate;
  });
  return [...(common?.tlsCertificates ?? []), ...named];
}

/** What peers have to prove, or undefined when nothing is checked. */
export function validationOf(
  common: CommonTlsContext | undefined,
  secrets: StaticSecrets,
): CertificateValidationContext | undefined {
  if (common?.validationContext !== undefined) return common.validationContext;
  const combined = common?.combinedValidationContext;
  const named = common?.validationContextSdsSecretConfig ?? combined?.validationContextSdsSecretConfig;
  if (named === undefined) return combined?.defaultValidationContext;
  const { validationContext } = secretNamed(secrets, named);
  if (validationContext === undefined)
    throw new DragomanError('TLS_SECRET', `Static secret ${named.name} is not a validation context`);
  return combined?.defaultValidationContext === undefined
    ? validationContext
    : merged(combined.defaultValidationContext, validationContext);
}

/** Protobuf's merge: what the secret sets wins, lists are appended, flags are ored. */
function merged(
  base: CertificateValidationContext,
  over: CertificateValidationContext,
): CertificateValidationContext {
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const before = result[name];
    if (Array.isArray(value)) result[name] = [...((before as unknown[] | undefined) ?? []), ...value];
    else if (typeof value === 'boolean') result[name] = value || before === true;
    else if (name === 'trustChainVerification')
      result[name] = value === 'VERIFY_TRUST_CHAIN' ? before : value;
    else if (value !== undefined) result[name] = value;
  }
  return result as unknown as CertificateValidationContext;
}

/** The trusted CAs as PEM, or undefined when the context has none. */
export function trustedCa(validation: CertificateValidationContext | undefined): Buffer | undefined {
  if (validation?.trustedCa === undefined) return undefined;
  const pem = readDataSource(validation.trustedCa);
  const what = `Failed to load trusted CA certificates from ${sourceName(validation.trustedCa)}`;
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new DragomanError('TLS_CERTIFICATE', what, { cause });
  }
  return pem;
}

/**
 * The 48 bytes node:tls takes (name, HMAC key, AES key) of one of Envoy's 80-byte ticket keys; only the first one of a
 * context is used, also for decryption.
 */
export function ticketKey(source: DataSource): Buffer {
  const bytes = readDataSource(source);
  if (bytes.length !== 80)
    throw new DragomanError(
      'TLS_TICKET_KEY',
      `Incorrect TLS session ticket key length in ${sourceName(source)}: length ${bytes.length}, expected 80`,
    );
  const key = createHash('sha256').update(bytes).digest();
  return Buffer.concat([bytes.subarray(0, 16), key]);
}

/** OpenSSL holds one certificate of each key type; the first of a type counts. */
export function onePerKeyType(certificates: readonly LoadedCertificate[]): LoadedCertificate[] {
  return certificates.filter(
    (one, i) => certificates.findIndex(({ keyType }) => keyType === one.keyType) === i,
  );
}
