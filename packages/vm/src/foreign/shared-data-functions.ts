// Foreign functions of this host for what the ABI's shared data lacks: removing a key, listing keys, counting in one step.
// Numbers stand in front, little-endian, and the key is the rest, so that any SDK can write the arguments.

import { encodeBytePairs, Status } from '@dragoman/abi';
import type { Context } from '../contexts/context.ts';
import type { ForeignFunction, ForeignResult } from './foreign-function.ts';

const CAS_BYTES = 4;
const DELTA_BYTES = 8;
const TTL_BYTES = 4;

const answer = (status: Status, result: Uint8Array | null = null): ForeignResult => ({ status, result });

const mayUse = ({ vm }: Context, key: string): boolean => vm.sanitizer?.mayUseSharedData(key) ?? true;

/** [cas u32][key]. cas 0 removes whatever is there; CAS_MISMATCH and NOT_FOUND as proxy_set_shared_data has them. */
export const deleteSharedData: ForeignFunction = (args, context) => {
  if (args.length < CAS_BYTES) return answer(Status.BadArgument);
  const key = args.latin1Slice(CAS_BYTES);
  if (!mayUse(context, key)) return answer(Status.InternalFailure);
  return answer(context.vm.host.sharedData.delete(context.vm.vmId, key, args.readUInt32LE(0)));
};

/** [prefix]. The result is a list in the form that properties have: pairs of a key and nothing. */
export const listSharedDataKeys: ForeignFunction = (args, context) => {
  const keys = context.vm.host.sharedData.keys(context.vm.vmId, args.latin1Slice(0));
  const shown = keys.filter(key => mayUse(context, key));
  return answer(
    Status.Ok,
    encodeBytePairs(shown.map(key => [Buffer.from(key, 'latin1'), Buffer.alloc(0)] as const)),
  );
};

/**
 * [delta i64][ttl in milliseconds u32, 0: for ever][key]. The result is the number after it, i64, as it is stored.
 * BAD_ARGUMENT where the value of the key is not 8 bytes long.
 */
export const incrementSharedData: ForeignFunction = (args, context) => {
  const head = DELTA_BYTES + TTL_BYTES;
  if (args.length < head) return answer(Status.BadArgument);
  const key = args.latin1Slice(head);
  if (!mayUse(context, key)) return answer(Status.InternalFailure);
  const { vm } = context;
  const ttlMs = args.readUInt32LE(DELTA_BYTES);
  const count = vm.host.sharedData.increment(
    vm.vmId,
    key,
    args.readBigInt64LE(0),
    ttlMs === 0 ? undefined : ttlMs,
  );
  if (typeof count === 'number') return answer(count);
  const result = Buffer.alloc(DELTA_BYTES);
  result.writeBigInt64LE(count.value);
  return answer(Status.Ok, result);
};
