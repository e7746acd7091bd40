// Access log filters: which requests are logged (and which local replies a mapper takes). Compiled to objects that are
// asked once per request, at its end.

import { DragomanError } from '@dragoman/base';
import type {
  AccessLogFilter as AccessLogFilterConfig,
  ComparisonFilter,
  GrpcStatusFilter,
  MetadataFilter,
} from '@dragoman/config';
import type { FormatInput } from '../format/format-input.ts';
import { grpcStatusByName } from '../format/grpc-status.ts';
import { grpcStatusOf } from '../format/header-operators.ts';
import { responseFlagByName } from '../format/response-flags.ts';
import { HeaderMatcher } from '../route/header-matcher.ts';
import { MetadataMatcher } from '../route/metadata-matcher.ts';
import { type Runtime, RuntimeFraction, runtimeNumber } from '../route/runtime-fraction.ts';

/** Decides about one request. `logType` is what %ACCESS_LOG_TYPE% would show. */
export interface AccessLogFilter {
  includes(input: FormatInput, logType: string): boolean;
}

type Includes = AccessLogFilter['includes'];

function comparison(config: ComparisonFilter | undefined, runtime: Runtime): (value: number) => boolean {
  const key = config?.value?.runtimeKey ?? '';
  const defaultValue = config?.value?.defaultValue ?? 0;
  const limit = (): number => runtimeNumber(runtime, key, defaultValue);
  switch (config?.op as string) {
    case 'GE':
      return value => value >= limit();
    case 'LE':
      return value => value <= limit();
    case 'NE':
      return value => value !== limit();
    default:
      return value => value === limit();
  }
}

function responseFlags(names: readonly string[]): Includes {
  if (names.length === 0) return ({ info }) => info.responseFlags !== 0;
  let bits = 0;
  for (const name of names) {
    const bit = responseFlagByName(name);
    if (bit === 0) throw new DragomanError('ACCESS_LOG', `response_flag_filter: unknown flag ${name}`);
    bits |= bit;
  }
  return ({ info }) => (info.responseFlags & bits) !== 0;
}

function grpcStatus(config: GrpcStatusFilter): Includes {
  const statuses = new Set(config.statuses.map(name => grpcStatusByName(name)));
  return input => {
    const status = grpcStatusOf(input);
    return statuses.has(status < 0 ? 2 : status) !== config.exclude;
  };
}

function metadata(config: MetadataFilter): Includes {
  const matchIfMissing = config.matchIfKeyNotFound ?? true;
  if (config.matcher === undefined) return () => true;
  const matcher = new MetadataMatcher(config.matcher);
  return ({ info }) => {
    const found = matcher.valueIn(info.dynamicMetadata);
    return found === undefined ? matchIfMissing : matcher.matches(info.dynamicMetadata);
  };
}

function compileIncludes(config: AccessLogFilterConfig, runtime: Runtime): Includes {
  if (config.statusCodeFilter !== undefined) {
    const compare = comparison(config.statusCodeFilter.comparison, runtime);
    return ({ info }) => compare(info.responseCode);
  }
  if (config.durationFilter !== undefined) {
    const compare = comparison(config.durationFilter.comparison, runtime);
    return ({ info }) => info.endMs >= 0 && compare(Math.floor(info.endMs - info.startMs));
  }
  if (config.notHealthCheckFilter !== undefined) return ({ info }) => !info.healthCheck;
  if (config.traceableFilter !== undefined) return ({ info }) => info.traceable;
  if (config.runtimeFilter !== undefined) {
    const { percentSampled, runtimeKey, useIndependentRandomness } = config.runtimeFilter;
    const fraction = new RuntimeFraction(percentSampled, runtimeKey, runtime);
    if (useIndependentRandomness) return () => fraction.includes(Math.floor(Math.random() * 2 ** 48));
    return ({ info }) => fraction.includes(info.random);
  }
  if (config.headerFilter?.header !== undefined) {
    const matcher = new HeaderMatcher(config.headerFilter.header);
    return ({ requestHeaders }) => requestHeaders !== null && matcher.matches(requestHeaders);
  }
  if (config.responseFlagFilter !== undefined) return responseFlags(config.responseFlagFilter.flags);
  if (config.grpcStatusFilter !== undefined) return grpcStatus(config.grpcStatusFilter);
  if (config.metadataFilter !== undefined) return metadata(config.metadataFilter);
  if (config.logTypeFilter !== undefined) {
    const { types, exclude } = config.logTypeFilter;
    const wanted = new Set<string>(types);
    return (_input, logType) => wanted.has(logType) !== exclude;
  }
  return compileCombination(config, runtime);
}

function compileCombination(config: AccessLogFilterConfig, runtime: Runtime): Includes {
  if (config.andFilter !== undefined) {
    const parts = config.andFilter.filters.map(filter => compileIncludes(filter, runtime));
    return (input, logType) => parts.every(includes => includes(input, logType));
  }
  if (config.orFilter !== undefined) {
    const parts = config.orFilter.filters.map(filter => compileIncludes(filter, runtime));
    return (input, logType) => parts.some(includes => includes(input, logType));
  }
  throw new DragomanError('UNSUPPORTED', 'access log filter: extension_filter is not supported');
}

/** @throws DragomanError for an unknown response flag, a wrong regular expression, or an extension filter. */
export function compileAccessLogFilter(config: AccessLogFilterConfig, runtime: Runtime): AccessLogFilter {
  return { includes: compileIncludes(config, runtime) };
}
