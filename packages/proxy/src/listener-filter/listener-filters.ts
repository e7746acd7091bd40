// The listener filters of one listener, compiled: what is looked at before a filter chain is chosen. They run in a fixed
// order (PROXY protocol, TLS, HTTP), which is the only one that makes sense of the bytes.

import { DragomanError } from '@dragoman/base';
import type {
  Listener,
  ListenerFilterChainMatchPredicate,
  ListenerListenerFilter,
  ProxyProtocol,
  TlsInspector,
} from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import { MAX_CLIENT_HELLO_BYTES } from './client-hello.ts';

export const TLS_INSPECTOR = 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector';
export const HTTP_INSPECTOR = 'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector';
export const PROXY_PROTOCOL = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';

/** Envoy's default for listener_filters_timeout. */
const DEFAULT_TIMEOUT_MS = 15_000;

/** Whether a filter is switched off for connections to a port. */
type Disabled = (localPort: number) => boolean;

export class TlsInspectorFilter {
  readonly disabled: Disabled;
  readonly maxHelloBytes: number;
  readonly closesOnErrors: boolean;
  readonly lane: StatLane;
  readonly clientHelloTooLarge: number;
  readonly tlsFound: number;
  readonly tlsNotFound: number;
  readonly alpnFound: number;
  readonly alpnNotFound: number;
  readonly sniFound: number;
  readonly sniNotFound: number;

  constructor(config: TlsInspector | null, disabled: Disabled, lane: StatLane) {
    this.disabled = disabled;
    this.maxHelloBytes = config?.maxClientHelloSize ?? MAX_CLIENT_HELLO_BYTES;
    this.closesOnErrors = config?.closeConnectionOnClientHelloParsingErrors ?? false;
    this.lane = lane;
    this.clientHelloTooLarge = lane.counter('tls_inspector.client_hello_too_large');
    this.tlsFound = lane.counter('tls_inspector.tls_found');
    this.tlsNotFound = lane.counter('tls_inspector.tls_not_found');
    this.alpnFound = lane.counter('tls_inspector.alpn_found');
    this.alpnNotFound = lane.counter('tls_inspector.alpn_not_found');
    this.sniFound = lane.counter('tls_inspector.sni_found');
    this.sniNotFound = lane.counter('tls_inspector.sni_not_found');
  }
}

export class HttpInspectorFilter {
  readonly disabled: Disabled;
  readonly lane: StatLane;
  readonly http10Found: number;
  readonly http11Found: number;
  readonly http2Found: number;
  readonly httpNotFound: number;

  constructor(disabled: Disabled, lane: StatLane) {
    this.disabled = disabled;
    this.lane = lane;
    lane.counter('http_inspector.read_error');
    this.http10Found = lane.counter('http_inspector.http10_found');
    this.http11Found = lane.counter('http_inspector.http11_found');
    this.http2Found = lane.counter('http_inspector.http2_found');
    this.httpNotFound = lane.counter('http_inspector.http_not_found');
  }
}

export class ProxyProtocolFilter {
  readonly disabled: Disabled;
  readonly allowsAbsence: boolean;
  readonly disallowedVersions: ReadonlySet<number>;
  readonly lane: StatLane;
  readonly notFoundAllowed: number;
  readonly notFoundDisallowed: number;
  /** By version: index 1 and 2. */
  readonly found: readonly number[];
  readonly disallowed: readonly number[];
  readonly error: readonly number[];

  constructor(config: ProxyProtocol, disabled: Disabled, lane: StatLane) {
    const prefix = `proxy_proto.${config.statPrefix === '' ? '' : `${config.statPrefix}.`}`;
    this.disabled = disabled;
    this.allowsAbsence = config.allowRequestsWithoutProxyProtocol;
    this.disallowedVersions = new Set(config.disallowedVersions.map(version => (version === 'V2' ? 2 : 1)));
    this.lane = lane;
    this.notFoundAllowed = lane.counter(`${prefix}not_found_allowed`);
    this.notFoundDisallowed = lane.counter(`${prefix}not_found_disallowed`);
    const versions = (name: string): number[] =>
      [1, 1, 2].map(version => lane.counter(`${prefix}versions.v${version}.${name}`));
    this.found = versions('found');
    this.disallowed = versions('disallowed');
    this.error = versions('error');
  }
}

export interface ListenerFilters {
  readonly proxyProtocol: ProxyProtocolFilter | null;
  readonly tlsInspector: TlsInspectorFilter | null;
  readonly httpInspector: HttpInspectorFilter | null;
  /** 0: no limit. */
  readonly timeoutMs: number;
  readonly continuesOnTimeout: boolean;
}

/**
 * `wantsClientHello`: some chain matches on what only a ClientHello tells; Envoy then adds a TLS inspector by itself.
 * @throws DragomanError LISTENER_FILTER for a filter that is not known here.
 */
export function compileListenerFilters(
  config: Listener,
  wantsClientHello: boolean,
  lane: StatLane,
): ListenerFilters {
  let proxyProtocol: ProxyProtocolFilter | null = null;
  let tlsInspector: TlsInspectorFilter | null = null;
  let httpInspector: HttpInspectorFilter | null = null;
  for (const filter of config.listenerFilters) {
    const disabled = compilePredicate(filter.filterDisabled);
    const { typeName, value } = typedConfigOf(filter);
    if (typeName === PROXY_PROTOCOL)
      proxyProtocol = new ProxyProtocolFilter(value as ProxyProtocol, disabled, lane);
    else if (typeName === TLS_INSPECTOR)
      tlsInspector = new TlsInspectorFilter(value as TlsInspector, disabled, lane);
    else if (typeName === HTTP_INSPECTOR) httpInspector = new HttpInspectorFilter(disabled, lane);
    else
      throw new DragomanError(
        'LISTENER_FILTER',
        `listener filter ${filter.name}: ${typeName} is not known here`,
      );
  }
  if (wantsClientHello) tlsInspector ??= new TlsInspectorFilter(null, never, lane);
  return {
    proxyProtocol,
    tlsInspector,
    httpInspector,
    timeoutMs: config.listenerFiltersTimeout ?? DEFAULT_TIMEOUT_MS,
    continuesOnTimeout: config.continueOnListenerFiltersTimeout,
  };
}

function typedConfigOf(filter: ListenerListenerFilter): { typeName: string; value: unknown } {
  return filter.typedConfig ?? { typeName: 'missing', value: undefined };
}

const never: Disabled = () => false;

function compilePredicate(config: ListenerFilterChainMatchPredicate | undefined): Disabled {
  if (config === undefined) return never;
  const { orMatch, andMatch, notMatch, anyMatch, destinationPortRange } = config;
  if (orMatch !== undefined) {
    const rules = orMatch.rules.map(compilePredicate);
    return port => rules.some(rule => rule(port));
  }
  if (andMatch !== undefined) {
    const rules = andMatch.rules.map(compilePredicate);
    return port => rules.every(rule => rule(port));
  }
  if (notMatch !== undefined) {
    const rule = compilePredicate(notMatch);
    return port => !rule(port);
  }
  if (destinationPortRange !== undefined)
    return port => port >= destinationPortRange.start && port < destinationPortRange.end;
  return anyMatch === true ? () => true : never;
}
