// Every foreign function that plugins in the proxy can call, by name: those of any host, and those that need the proxy.

import type { Stream } from '@dragoman/proxy';
import { type Context, type ForeignFunction, standardForeignFunctions } from '@dragoman/vm';
import { expressionFunctions } from './expressions.ts';
import { setEnvoyFilterState } from './filter-state.ts';
import { declareProperty } from './property-declarations.ts';

/** A stream's host in the proxy knows its stream. */
interface ProxyStreamHost {
  readonly proxyStream?: Stream | null;
}

const streamOf = (context: Context): Stream | null =>
  (context.stream?.host as ProxyStreamHost | null | undefined)?.proxyStream ?? null;

export const FOREIGN_FUNCTIONS: ReadonlyMap<string, ForeignFunction> = new Map([
  ...standardForeignFunctions,
  ...expressionFunctions,
  ['declare_property', declareProperty],
  ['set_envoy_filter_state', setEnvoyFilterState(streamOf)],
]);
