// Logging and time: proxy_log, proxy_get_log_level, proxy_get_current_time_nanoseconds (ABI reference 7.5, 7.6).
// Works in every phase, also while the guest starts or allocates.

import { GuestLogLevel, Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const loggingCalls = (vm: Vm): HostFunctions => ({
  proxy_log: (level: number, text: number, size: number) => log(vm, level, text >>> 0, size >>> 0),
  proxy_get_log_level: (result: number) => getLogLevel(vm, result >>> 0),
  proxy_get_current_time_nanoseconds: (result: number) => getTime(vm, result >>> 0),
});

function log(vm: Vm, level: number, text: number, size: number): Status {
  if (level < 0 || level > GuestLogLevel.Critical) return Status.BadArgument;
  if (!vm.memory.fits(text, size)) return Status.InvalidMemoryAccess;
  if (vm.host.logEnabled(level)) vm.log(level, vm.memory.utf8(text, size));
  return Status.Ok;
}

function getLogLevel(vm: Vm, result: number): Status {
  if (!vm.memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  let level: number = GuestLogLevel.Trace;
  while (level < GuestLogLevel.Off && !vm.host.logEnabled(level)) level++;
  vm.memory.setUint32(result, level);
  return Status.Ok;
}

function getTime(vm: Vm, result: number): Status {
  if (!vm.memory.fits(result, 8)) return Status.InvalidMemoryAccess;
  vm.memory.setUint64(result, wallNanoseconds(vm));
  return Status.Ok;
}

/** Nanoseconds since 1970 by the host's wall clock. */
export function wallNanoseconds(vm: Vm): bigint {
  const milliseconds = vm.host.clock.wallMs();
  const whole = Math.floor(milliseconds);
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((milliseconds - whole) * 1e6));
}
