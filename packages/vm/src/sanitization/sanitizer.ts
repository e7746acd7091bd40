// The rules of one VM in a form that host calls ask: what is hidden from the guest looks absent, what it may not change
// stays as it is, and the first refusal of each name is logged.

import { ProtobufError, readBytesFields } from '../foreign/protobuf.ts';
import type { GuestHeaderMap } from '../stream-host.ts';
import type { Vm } from '../vm.ts';
import { NamePatterns, type SanitizationRules } from './rules.ts';
import { SanitizedHeaders } from './sanitized-headers.ts';

/** Names refused are logged once each, up to so many. */
const MAX_LOGGED_REFUSALS = 100;

/** Foreign functions that compute, do what header calls do anyway, or ask the rules themselves. */
const HARMLESS_FUNCTIONS = [
  ...['compress', 'uncompress', 'clear_route_cache', 'verify_signature', 'sign'],
  ...['dragoman_shared_data_delete', 'dragoman_shared_data_keys', 'dragoman_shared_data_increment'],
];

/** The header that a property is made of, by the property's path. */
const HEADER_OF_PROPERTY: ReadonlyMap<string, string> = new Map([
  ['request.path', ':path'],
  ['request.url_path', ':path'],
  ['request.query', ':path'],
  ['request.host', ':authority'],
  ['request.scheme', ':scheme'],
  ['request.method', ':method'],
  ['request.referer', 'referer'],
  ['request.useragent', 'user-agent'],
  ['request.id', 'x-request-id'],
]);
/** Maps of headers among the properties: whole, or one header of them. */
const HEADER_MAPS: ReadonlySet<string> = new Set([
  'request.headers',
  'response.headers',
  'response.trailers',
]);
const OWN_PROPERTIES: ReadonlySet<string> = new Set(['plugin_name', 'plugin_root_id', 'plugin_vm_id']);

export class Sanitizer {
  readonly #vm: Vm;
  readonly #readHeaders: NamePatterns | null;
  readonly #writeHeaders: NamePatterns | null;
  readonly #clusters: NamePatterns | null;
  readonly #readProperties: NamePatterns | null;
  readonly #writeProperties: NamePatterns | null;
  readonly #sharedData: NamePatterns | null;
  readonly #foreignFunctions: NamePatterns | null;
  readonly #headers: SanitizedHeaders | null;
  readonly #logged = new Set<string>();

  constructor(vm: Vm, rules: SanitizationRules) {
    const patterns = (names: readonly string[] | undefined) =>
      names === undefined ? null : new NamePatterns(names);
    this.#vm = vm;
    this.#readHeaders = patterns(rules.readHeaders);
    this.#writeHeaders = patterns(rules.writeHeaders);
    this.#clusters = patterns(rules.clusters);
    this.#readProperties = patterns(rules.readProperties);
    this.#writeProperties = patterns(rules.writeProperties);
    this.#sharedData = patterns(rules.sharedData);
    const limited = Object.values(rules).some(names => names !== undefined);
    this.#foreignFunctions = patterns(rules.foreignFunctions ?? (limited ? HARMLESS_FUNCTIONS : undefined));
    this.#headers =
      this.#readHeaders === null && this.#writeHeaders === null ? null : new SanitizedHeaders(this);
  }

  /** `map` as the guest may see it; valid until the next call of this. */
  headers(map: GuestHeaderMap): GuestHeaderMap {
    if (this.#headers === null) return map;
    this.#headers.map = map;
    return this.#headers;
  }

  showsHeader(name: string): boolean {
    return this.#readHeaders === null || this.#readHeaders.allows(name);
  }

  mayWriteHeader(name: string): boolean {
    return this.#writeHeaders === null || this.#writeHeaders.allows(name);
  }

  noteRefusedHeader(name: string): void {
    this.#refuse('header', name);
  }

  /** Those of [name, value, ...] that the guest may send. */
  writableHeaders(pairs: string[]): string[] {
    if (this.#writeHeaders === null) return pairs;
    return pairs.filter((_part, index) => this.#ask(this.#writeHeaders, 'header', pairs[index & ~1]!));
  }

  mayCall(cluster: string): boolean {
    return this.#ask(this.#clusters, 'cluster', cluster);
  }

  /** `upstream` as gRPC calls have it: a serialised GrpcService, or the name of a cluster. */
  mayCallService(upstream: string): boolean {
    return this.#clusters === null || this.mayCall(targetOf(upstream));
  }

  mayReadProperty(path: readonly string[]): boolean {
    if (path.length === 1 && OWN_PROPERTIES.has(path[0]!)) return true;
    const text = path.join('.');
    if (!this.#ask(this.#readProperties, 'property', text)) return false;
    if (this.#readHeaders === null) return true;
    const header = HEADER_OF_PROPERTY.get(text);
    if (header !== undefined) return this.showsHeader(header);
    if (!HEADER_MAPS.has(path.slice(0, 2).join('.'))) return true;
    return path.length > 2 && this.showsHeader(path[2]!.toLowerCase());
  }

  /** `key` is the guest's raw path. */
  mayWriteProperty(key: string): boolean {
    return this.#ask(this.#writeProperties, 'property', key.replace(/\0+$/, '').replaceAll('\0', '.'));
  }

  mayUseSharedData(key: string): boolean {
    return this.#ask(this.#sharedData, 'shared data', key);
  }

  mayCallFunction(name: string): boolean {
    return this.#ask(this.#foreignFunctions, 'foreign function', name);
  }

  #ask(allowed: NamePatterns | null, what: string, name: string): boolean {
    if (allowed === null || allowed.allows(name)) return true;
    this.#refuse(what, name);
    return false;
  }

  #refuse(what: string, name: string): void {
    const refusal = `${what} ${JSON.stringify(name.slice(0, 128))}`;
    if (this.#logged.size < MAX_LOGGED_REFUSALS && !this.#logged.has(refusal)) {
      this.#logged.add(refusal);
      this.#vm.logError(`Attempted access to restricted ${refusal} by a plugin of VM "${this.#vm.vmId}"`);
    }
  }
}

/** envoy_grpc.cluster_name, google_grpc.target_uri, or all of it where it is no GrpcService. */
function targetOf(upstream: string): string {
  try {
    const service = readBytesFields(Buffer.from(upstream, 'latin1'));
    const target = service.get(1) ?? service.get(2);
    const name = target === undefined ? undefined : readBytesFields(target).get(1);
    if (name !== undefined) return name.toString('latin1');
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
  }
  return upstream;
}
