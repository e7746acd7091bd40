// Permissions and principals of RBAC policies, compiled to predicates over a request.

import { BlockList, isIP } from 'node:net';
import { DragomanError } from '@dragoman/base';
import type {
  CidrRange,
  MatcherMetadataMatcher,
  Permission,
  Principal,
  SourcedMetadata,
} from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { compileStringMatcher, HeaderMatcher, MetadataMatcher, type Stream } from '@dragoman/proxy';

/** True when a request has the property. */
export type Condition = (stream: Stream, headers: RequestHeaders) => boolean;

const always: Condition = () => true;

function inRange(range: CidrRange, addressOf: (stream: Stream) => string): Condition {
  const version = isIP(range.addressPrefix);
  if (version === 0) throw new DragomanError('RBAC', `malformed IP address: ${range.addressPrefix}`);
  const list = new BlockList();
  list.addSubnet(range.addressPrefix, range.prefixLen ?? 0, version === 6 ? 'ipv6' : 'ipv4');
  return stream => {
    const address = addressOf(stream);
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

function urlPath(path: Parameters<typeof compileStringMatcher>[0] | undefined): Condition {
  if (path === undefined) return always;
  const matcher = compileStringMatcher(path);
  return (_stream, headers) => {
    const end = headers.path.search(/[?#]/);
    return matcher.matches(end < 0 ? headers.path : headers.path.slice(0, end));
  };
}

function metadata(config: MatcherMetadataMatcher, ofRoute: boolean): Condition {
  const matcher = new MetadataMatcher(config);
  return stream =>
    matcher.matches(ofRoute ? stream.getRoute()?.metadata?.filterMetadata : stream.info.dynamicMetadata);
}

function sourcedMetadata(config: SourcedMetadata): Condition {
  if (config.metadataMatcher === undefined) return always;
  return metadata(config.metadataMatcher, config.metadataSource === 'ROUTE');
}

function header(config: ConstructorParameters<typeof HeaderMatcher>[0]): Condition {
  const matcher = new HeaderMatcher(config);
  return (_stream, headers) => matcher.matches(headers);
}

function all(conditions: readonly Condition[]): Condition {
  return (stream, headers) => conditions.every(holds => holds(stream, headers));
}

export function any(conditions: readonly Condition[]): Condition {
  return (stream, headers) => conditions.some(holds => holds(stream, headers));
}

/** @throws DragomanError RBAC, REGEX or UNSUPPORTED. */
export function compilePermission(config: Permission): Condition {
  if (config.andRules !== undefined) return all(config.andRules.rules.map(compilePermission));
  if (config.orRules !== undefined) return any(config.orRules.rules.map(compilePermission));
  if (config.any !== undefined) return always;
  if (config.header !== undefined) return header(config.header);
  if (config.urlPath !== undefined) return urlPath(config.urlPath.path);
  if (config.destinationIp !== undefined)
    return inRange(config.destinationIp, stream => stream.connection.localAddress);
  if (config.destinationPort !== undefined) {
    const port = config.destinationPort;
    return stream => stream.connection.localPort === port;
  }
  if (config.destinationPortRange !== undefined) {
    const { start, end } = config.destinationPortRange;
    return ({ connection }) => connection.localPort >= start && connection.localPort < end;
  }
  if (config.metadata !== undefined) return metadata(config.metadata, false);
  if (config.sourcedMetadata !== undefined) return sourcedMetadata(config.sourcedMetadata);
  if (config.notRule !== undefined) {
    const inner = compilePermission(config.notRule);
    return (stream, headers) => !inner(stream, headers);
  }
  if (config.requestedServerName !== undefined) {
    const matcher = compileStringMatcher(config.requestedServerName);
    return stream => matcher.matches(stream.connection.requestedServerName);
  }
  throw new DragomanError('UNSUPPORTED', 'rbac: this kind of permission is not supported');
}

function authenticated(config: NonNullable<Principal['authenticated']>): Condition {
  if (config.principalName === undefined) return stream => Boolean(stream.connection.tls?.peer);
  const matcher = compileStringMatcher(config.principalName);
  return stream => {
    const peer = stream.connection.tls?.peer;
    if (!peer) return false;
    const names = [peer.uriSans, peer.dnsSans, [peer.subject]].find(list => list.length > 0) ?? [];
    return names.some(name => matcher.matches(name));
  };
}

/** @throws DragomanError RBAC, REGEX or UNSUPPORTED. */
export function compilePrincipal(config: Principal): Condition {
  if (config.andIds !== undefined) return all(config.andIds.ids.map(compilePrincipal));
  if (config.orIds !== undefined) return any(config.orIds.ids.map(compilePrincipal));
  if (config.any !== undefined) return always;
  if (config.authenticated !== undefined) return authenticated(config.authenticated);
  const direct = config.directRemoteIp ?? config.sourceIp;
  if (direct !== undefined) return inRange(direct, stream => stream.connection.remoteAddress);
  if (config.remoteIp !== undefined)
    return inRange(config.remoteIp, stream => stream.info.downstreamRemoteAddress);
  if (config.header !== undefined) return header(config.header);
  if (config.urlPath !== undefined) return urlPath(config.urlPath.path);
  if (config.metadata !== undefined) return metadata(config.metadata, false);
  if (config.sourcedMetadata !== undefined) return sourcedMetadata(config.sourcedMetadata);
  if (config.filterState?.stringMatch !== undefined) {
    const { key, stringMatch } = config.filterState;
    const matcher = compileStringMatcher(stringMatch);
    return stream => {
      const value = stream.info.filterState?.get(key);
      return typeof value === 'string' && matcher.matches(value);
    };
  }
  if (config.notId !== undefined) {
    const inner = compilePrincipal(config.notId);
    return (stream, headers) => !inner(stream, headers);
  }
  throw new DragomanError('UNSUPPORTED', 'rbac: this kind of principal is not supported');
}
