// A complete VmHost for a program that is no proxy: logs go to a function, shared state stays in this thread, call-outs
// are refused unless a function is given for them. Also the base to spread your own host over.

import { Status } from '@dragoman/abi';
import { type Clock, systemClock } from '@dragoman/base';
import type { ForeignFunction } from './foreign/foreign-function.ts';
import { standardForeignFunctions } from './foreign/standard-functions.ts';
import { LocalMetrics } from './local-metrics.ts';
import { LocalSharedData } from './shared-data.ts';
import { LocalSharedQueues } from './shared-queues.ts';
import type { VmHost } from './vm-host.ts';

export interface LocalHostOptions {
  readonly clock?: Clock;
  /** Receives complete lines; the default drops them. */
  readonly log?: (level: number, line: string) => void;
  /** Lowest GuestLogLevel written; 2 (info) by default. */
  readonly logLevel?: number;
  readonly httpCall?: VmHost['httpCall'];
  readonly grpcCall?: VmHost['grpcCall'];
  readonly grpcStream?: VmHost['grpcStream'];
  readonly getProperty?: VmHost['getProperty'];
  readonly onFailure?: VmHost['onFailure'];
  /** Besides the standard ones. */
  readonly foreignFunctions?: ReadonlyMap<string, ForeignFunction>;
}

/** Makes a VmHost. */
export function localHost(options: LocalHostOptions = {}): VmHost & { readonly metrics: LocalMetrics } {
  const lowest = options.logLevel ?? 2;
  return {
    clock: options.clock ?? systemClock,
    sharedData: new LocalSharedData(),
    sharedQueues: new LocalSharedQueues(),
    metrics: new LocalMetrics(),
    foreignFunctions: new Map([...standardForeignFunctions, ...(options.foreignFunctions ?? [])]),
    log: options.log ?? (() => {}),
    logEnabled: level => level >= lowest,
    httpCall: options.httpCall ?? (() => Status.BadArgument),
    grpcCall: options.grpcCall ?? (() => Status.ParseFailure),
    grpcStream: options.grpcStream ?? (() => Status.ParseFailure),
    getProperty: options.getProperty ?? (() => undefined),
    onFailure: options.onFailure ?? (() => {}),
  };
}
