// A set of public keys (RFC 7517) and the check of a token's signature with them. A key is used for its own family of
// algorithms only, whatever the token says.

import { constants, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import type { Jwt } from './jwt.ts';
import { JwtStatus } from './jwt-status.ts';

interface Jwk {
  readonly kid: string;
  /** '' when the key does not say. */
  readonly alg: string;
  /** Prefixes of the algorithms the key may be used for. */
  readonly families: readonly string[];
  readonly key: KeyObject | Buffer;
}

export type Jwks = readonly Jwk[];

const CURVES: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };

function familiesOf(fields: Readonly<Record<string, unknown>>): readonly string[] {
  switch (fields.kty) {
    case 'RSA':
      return ['RS', 'PS'];
    case 'EC':
      return typeof fields.crv === 'string' && fields.crv in CURVES ? [CURVES[fields.crv]] : [];
    case 'oct':
      return ['HS'];
    case 'OKP':
      return fields.crv === 'Ed25519' ? ['EdDSA'] : [];
    default:
      return [];
  }
}

/** Null for a key of a kind that is not supported, or a broken one. */
function parseKey(value: unknown): Jwk | null {
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Readonly<Record<string, unknown>>;
  const families = familiesOf(fields);
  const alg = typeof fields.alg === 'string' ? fields.alg : '';
  if (families.length === 0 || (alg !== '' && !families.some(family => alg.startsWith(family)))) return null;
  const kid = typeof fields.kid === 'string' ? fields.kid : '';
  if (fields.kty === 'oct')
    return typeof fields.k === 'string' && /^[A-Za-z0-9_-]+=*$/.test(fields.k)
      ? { kid, alg, families, key: Buffer.from(fields.k, 'base64url') }
      : null;
  try {
    return {
      kid,
      alg,
      families,
      key: createPublicKey({ key: fields as Record<string, string>, format: 'jwk' }),
    };
  } catch {
    return null;
  }
}

/** The usable keys of a JWKS document, or what is wrong with it. */
export function parseJwks(text: string): Jwks | JwtStatus {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return JwtStatus.JwksParseError;
  }
  if (typeof document !== 'object' || document === null) return JwtStatus.JwksParseError;
  if (!('keys' in document)) return JwtStatus.JwksNoKeys;
  if (!Array.isArray(document.keys)) return JwtStatus.JwksBadKeys;
  const keys = document.keys.map(parseKey).filter(key => key !== null);
  return keys.length === 0 ? JwtStatus.JwksNoValidKeys : keys;
}

function isGenuine(jwt: Jwt, { key }: Jwk): boolean {
  const { alg, signature } = jwt;
  const hash = `sha${alg.slice(2)}`;
  const signed = Buffer.from(jwt.signed, 'latin1');
  if (Buffer.isBuffer(key)) {
    const expected = createHmac(hash, key).update(signed).digest();
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  }
  if (alg === 'EdDSA') return verify(null, signed, key, signature);
  if (alg.startsWith('ES')) return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (alg.startsWith('RS')) return verify(hash, signed, key, signature);
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
  return verify(hash, signed, { key, padding, saltLength }, signature);
}

/** Tries the keys that the token may have been signed with. */
export function verifySignature(jwt: Jwt, jwks: Jwks): JwtStatus {
  let fits = false;
  for (const jwk of jwks) {
    if (jwt.kid !== '' && jwk.kid !== '' && jwt.kid !== jwk.kid) continue;
    if (jwk.alg !== '' && jwk.alg !== jwt.alg) continue;
    fits = true;
    if (jwk.families.some(family => jwt.alg.startsWith(family)) && isGenuine(jwt, jwk)) return JwtStatus.Ok;
  }
  return fits ? JwtStatus.VerificationFail : JwtStatus.JwksKidAlgMismatch;
}
