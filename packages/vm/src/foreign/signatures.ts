// Foreign functions verify_signature and sign, over Node's crypto. Arguments and results are protobuf messages of a
// few fields, read and written by hand (ABI reference 7.9).

import { createPrivateKey, createPublicKey, type KeyObject, sign as signBytes, verify } from 'node:crypto';
import { Status } from '@dragoman/abi';
import type { ForeignFunction } from './foreign-function.ts';
import { ProtobufError, readBytesFields, writeField } from './protobuf.ts';

const HASHES: ReadonlySet<string> = new Set(['sha1', 'sha224', 'sha256', 'sha384', 'sha512']);
const EMPTY: Buffer = Buffer.alloc(0);
const badArgument = { status: Status.BadArgument, result: null } as const;

/** Envoy's words; plugins log them. */
const WRONG_SIGNATURE = 'Failed to verify digest. Error code: 0';
const NO_PUBLIC_KEY = 'Failed to initialize digest verify.';
const NO_PRIVATE_KEY = 'Invalid key type: private key required for signing operation.';

/**
 * VerifySignatureArguments: hash 1, public key DER 2, signature 3, text 4, public key PEM 5. Only what is no message, or has
 * not exactly one key, is BAD_ARGUMENT; what else is wrong stands in the result.
 */
export const verifySignature: ForeignFunction = args => {
  const fields = fieldsOf(args);
  if (fields === null) return badArgument;
  const [der, pem] = [fields.get(2) ?? EMPTY, fields.get(5) ?? EMPTY];
  if ((der.length === 0) === (pem.length === 0)) return badArgument;
  // VerifySignatureResult: result 1, error 2.
  const failed = (message: string) => ({ status: Status.Ok, result: writeField(2, Buffer.from(message)) });
  const hash = (fields.get(1) ?? EMPTY).toString('latin1');
  if (!isKnownHash(hash)) return failed(`${hash} is not supported.`);
  const isGood = withKey(() =>
    verify(hash, fields.get(4) ?? EMPTY, publicKey(der, pem), fields.get(3) ?? EMPTY),
  );
  if (isGood === null) return failed(NO_PUBLIC_KEY);
  return isGood ? { status: Status.Ok, result: writeField(1, true) } : failed(WRONG_SIGNATURE);
};

/** SignArguments: hash 1, private key DER 2, text 3, private key PEM 4; mistakes as above. */
export const sign: ForeignFunction = args => {
  const fields = fieldsOf(args);
  if (fields === null) return badArgument;
  const [der, pem] = [fields.get(2) ?? EMPTY, fields.get(4) ?? EMPTY];
  if ((der.length === 0) === (pem.length === 0)) return badArgument;
  // SignResult: result 1, signature 2, error 3.
  const failed = (message: string) => ({ status: Status.Ok, result: writeField(3, Buffer.from(message)) });
  const hash = (fields.get(1) ?? EMPTY).toString('latin1');
  if (!isKnownHash(hash)) return failed(`${hash} is not supported.`);
  const signature = withKey(() => signBytes(hash, fields.get(3) ?? EMPTY, privateKey(der, pem)));
  if (signature === null) return failed(NO_PRIVATE_KEY);
  return { status: Status.Ok, result: Buffer.concat([writeField(1, true), writeField(2, signature)]) };
};

function fieldsOf(args: Buffer): Map<number, Buffer> | null {
  try {
    return readBytesFields(args);
  } catch (error) {
    if (error instanceof ProtobufError) return null;
    throw error;
  }
}

const isKnownHash = (name: string): boolean => HASHES.has(name.toLowerCase());

const privateKey = (der: Buffer, pem: Buffer): KeyObject =>
  pem.length === 0 ? createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) : createPrivateKey(pem);

/** Node would also take the public part of a private key or a certificate. */
function publicKey(der: Buffer, pem: Buffer): KeyObject {
  if (pem.length === 0) return createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw new UnusableKeyError();
  return createPublicKey(pem);
}

class UnusableKeyError extends Error {}

/** What `use` answers; null where the key is none, or not one for this. Node tells so by codes of its own and of OpenSSL. */
function withKey<T>(use: () => T): T | null {
  try {
    return use();
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (error instanceof UnusableKeyError || /^ERR_(OSSL|CRYPTO|INVALID_ARG)/.test(code)) return null;
    throw error;
  }
}
