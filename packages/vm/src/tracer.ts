// Sees every crossing between host and guest: for tools that show what a plugin does. It stands in the way of each call, so
// nothing that serves traffic has one.

import type { HostFunction } from './host/host-function.ts';
import type { Vm } from './vm.ts';

/** Asked once for each function when an instance is made; what it answers is called instead. */
export interface Tracer {
  /** A function the guest imports. */
  hostCall(vm: Vm, name: string, call: HostFunction): HostFunction;
  /** A callback the guest exports. */
  callback(
    vm: Vm,
    name: string,
    callback: (...args: number[]) => number | undefined,
  ): (...args: number[]) => number | undefined;
}
