// The foreign functions every host has: compression and the route cache (ABI reference 7.9), signatures, shared data.

import { deflateSync, inflateSync } from 'node:zlib';
import { Status } from '@dragoman/abi';
import type { ForeignFunction, ForeignResult } from './foreign-function.ts';
import { deleteSharedData, incrementSharedData, listSharedDataKeys } from './shared-data-functions.ts';
import { sign, verifySignature } from './signatures.ts';

/** A guest may not make the host unpack more than this. */
const MAX_UNCOMPRESSED_BYTES = 64 * 1024 * 1024;

export const done = (result: Uint8Array | null = null): ForeignResult => ({ status: Status.Ok, result });
export const refused = (status: Status): ForeignResult => ({ status, result: null });

const compress: ForeignFunction = args => done(deflateSync(args));

const uncompress: ForeignFunction = args => {
  try {
    return done(inflateSync(args, { maxOutputLength: MAX_UNCOMPRESSED_BYTES }));
  } catch {
    return refused(Status.SerializationFailure);
  }
};

/** Does nothing on a context that is no stream's. The effective one counts, as measured on Envoy 1.40. */
const clearRouteCache: ForeignFunction = (_args, { vm }) => {
  vm.effective.stream?.host?.clearRouteCache();
  return done();
};

/** By name, ready for VmHost.foreignFunctions. */
export const standardForeignFunctions: ReadonlyMap<string, ForeignFunction> = new Map([
  ['compress', compress],
  ['uncompress', uncompress],
  ['clear_route_cache', clearRouteCache],
  ['verify_signature', verifySignature],
  ['sign', sign],
  ['dragoman_shared_data_delete', deleteSharedData],
  ['dragoman_shared_data_keys', listSharedDataKeys],
  ['dragoman_shared_data_increment', incrementSharedData],
]);
