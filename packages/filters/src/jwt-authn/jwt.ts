// A JSON Web Token in compact form (RFC 7515, RFC 7519): taken apart and checked for form. Whether it is genuine is
// decided in jwks.ts, whether it is wanted in authenticator.ts.

import { JwtStatus } from './jwt-status.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface Jwt {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  readonly alg: string;
  /** '' when there is none. */
  readonly kid: string;
  readonly iss: string;
  readonly sub: string;
  readonly audiences: readonly string[];
  /** Seconds since 1970; 0 when there is none. */
  readonly nbf: number;
  readonly exp: number;
  /** What is signed: header and payload as they came. */
  readonly signed: string;
  /** The payload as it came, without padding. */
  readonly payloadText: string;
  readonly signature: Buffer;
}

const ALGORITHMS = new Set(
  ['ES', 'HS', 'RS', 'PS'].flatMap(family => [256, 384, 512].map(bits => family + bits)).concat('EdDSA'),
);
const UINT64_END = 2 ** 64;

function base64UrlBytes(text: string): Buffer | null {
  const bare = text.replace(/={1,2}$/, '');
  return /^[A-Za-z0-9_-]+$/.test(bare) && bare.length % 4 !== 1 ? Buffer.from(bare, 'base64url') : null;
}

function jsonObject(bytes: Buffer): JsonObject | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : null;
  } catch {
    return null;
  }
}

const TIMES: readonly (readonly [claim: string, notInteger: JwtStatus, outOfRange: JwtStatus])[] = [
  ['iat', JwtStatus.IatNotInteger, JwtStatus.IatOutOfRange],
  ['nbf', JwtStatus.NbfNotInteger, JwtStatus.NbfOutOfRange],
  ['exp', JwtStatus.ExpNotInteger, JwtStatus.ExpOutOfRange],
];

/** The first registered claim of the wrong type; Ok when there is none. */
function claimStatus(payload: JsonObject): JwtStatus {
  if (payload.iss !== undefined && typeof payload.iss !== 'string') return JwtStatus.IssNotString;
  if (payload.sub !== undefined && typeof payload.sub !== 'string') return JwtStatus.SubNotString;
  for (const [claim, notInteger, outOfRange] of TIMES) {
    const value = payload[claim];
    if (value === undefined) continue;
    if (typeof value !== 'number') return notInteger;
    if (value < 0 || value >= UINT64_END) return outOfRange;
  }
  if (payload.jti !== undefined && typeof payload.jti !== 'string') return JwtStatus.JtiNotString;
  const { aud } = payload;
  const wellFormed =
    aud === undefined ||
    typeof aud === 'string' ||
    (Array.isArray(aud) && aud.every(item => typeof item === 'string'));
  return wellFormed ? JwtStatus.Ok : JwtStatus.AudNotString;
}

/** The token, or what is wrong with its form. */
export function parseJwt(token: string): Jwt | JwtStatus {
  const parts = token.split('.');
  if (parts.length !== 3 || parts.includes('')) return JwtStatus.BadFormat;
  const headerBytes = base64UrlBytes(parts[0]);
  if (headerBytes === null) return JwtStatus.HeaderBadBase64;
  const header = jsonObject(headerBytes);
  if (header === null) return JwtStatus.HeaderBadJson;
  const { alg, kid } = header;
  if (typeof alg !== 'string') return JwtStatus.HeaderBadAlg;
  if (!ALGORITHMS.has(alg)) return JwtStatus.HeaderUnsupportedAlg;
  if (kid !== undefined && typeof kid !== 'string') return JwtStatus.HeaderBadKid;
  const payloadBytes = base64UrlBytes(parts[1]);
  if (payloadBytes === null) return JwtStatus.PayloadBadBase64;
  const payload = jsonObject(payloadBytes);
  if (payload === null) return JwtStatus.PayloadBadJson;
  const status = claimStatus(payload);
  if (status !== JwtStatus.Ok) return status;
  const signature = base64UrlBytes(parts[2]);
  if (signature === null) return JwtStatus.SignatureBadBase64;
  const { iss, sub, aud, nbf, exp } = payload;
  return {
    header,
    payload,
    alg,
    kid: kid ?? '',
    iss: (iss as string | undefined) ?? '',
    sub: (sub as string | undefined) ?? '',
    audiences: aud === undefined ? [] : ([aud].flat() as string[]),
    nbf: Math.floor((nbf as number | undefined) ?? 0),
    exp: Math.floor((exp as number | undefined) ?? 0),
    signed: `${parts[0]}.${parts[1]}`,
    payloadText: parts[1].replace(/=+$/, ''),
    signature,
  };
}
