// Foreign functions verify_signature and sign, over Node's crypto. Arguments and results are protobuf messages of a
// few fields, read and written by hand (ABI reference 7.9).

import { createPrivateKey, createPublicKey, type KeyObject, sign as signBytes, verify } from 'node:crypto';
import { Status } from '@dragoman/abi';
import type { ForeignFunction } from './foreign-function.ts';
import { ProtobufError, readBytesFields, writeField } from './protobuf.ts';

const HASHES: ReadonlySet<string> = new Set(['sha1', 'sha224', 'sha256', 'sha384', 'sha512']);
const badArgument = { status: Status.BadArgument, result: null } as const;

/** VerifySignatureArguments: hash 1, public key DER 2, signature 3, text 4, public key PEM 5. */
export const verifySignature: ForeignFunction = args => {
  try {
    const fields = readBytesFields(args);
    const hash = hashName(fields.get(1));
    const key = readKey(fields.get(2), fields.get(5), 'public');
    if (key === null) return badArgument;
    if (hash === null) return { status: Status.Ok, result: failure(`hash function is not supported`) };
    const good = verify(hash, fields.get(4) ?? Buffer.alloc(0), key, fields.get(3) ?? Buffer.alloc(0));
    // VerifySignatureResult: result 1, error 2.
    return { status: Status.Ok, result: good ? writeField(1, true) : failure('invalid signature') };
  } catch (error) {
    if (error instanceof ProtobufError || isKeyError(error)) return badArgument;
    throw error;
  }
};

/** SignArguments: hash 1, private key DER 2, text 3, private key PEM 4. */
export const sign: ForeignFunction = args => {
  try {
    const fields = readBytesFields(args);
    const hash = hashName(fields.get(1));
    const key = readKey(fields.get(2), fields.get(4), 'private');
    if (key === null) return badArgument;
    // SignResult: result 1, signature 2, error 3.
    if (hash === null)
      return { status: Status.Ok, result: writeField(3, Buffer.from('hash function is not supported')) };
    const signature = signBytes(hash, fields.get(3) ?? Buffer.alloc(0), key);
    return { status: Status.Ok, result: Buffer.concat([writeField(1, true), writeField(2, signature)]) };
  } catch (error) {
    if (error instanceof ProtobufError || isKeyError(error)) return badArgument;
    throw error;
  }
};

const failure = (message: string): Buffer => writeField(2, Buffer.from(message));

function hashName(bytes: Buffer | undefined): string | null {
  const name = (bytes ?? Buffer.alloc(0)).toString('latin1').toLowerCase();
  return HASHES.has(name) ? name : null;
}

/** Exactly one of the two forms must be there. */
function readKey(
  der: Buffer | undefined,
  pem: Buffer | undefined,
  kind: 'public' | 'private',
): KeyObject | null {
  if ((der === undefined) === (pem === undefined)) return null;
  if (kind === 'public') {
    return pem === undefined
      ? createPublicKey({ key: der as Buffer, format: 'der', type: 'spki' })
      : createPublicKey(pem);
  }
  return pem === undefined
    ? createPrivateKey({ key: der as Buffer, format: 'der', type: 'pkcs8' })
    : createPrivateKey(pem);
}

/** Node reports unusable keys by codes of its own and of OpenSSL. */
function isKeyError(error: unknown): boolean {
  return (
    error instanceof Error && /^ERR_(OSSL|CRYPTO|INVALID_ARG)/.test((error as { code?: string }).code ?? '')
  );
}
