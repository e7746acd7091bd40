// The filter envoy.filters.http.header_to_metadata: values of headers and cookies become dynamic metadata.

import { DragomanError } from '@dragoman/base';
import type { Config_KeyValuePair, Config_Rule, HeaderToMetadataConfig } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  cookie,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  RegexSubstitution,
  type Stream,
} from '@dragoman/proxy';

const OWN_NAMESPACE = 'envoy.filters.http.header_to_metadata';
/** Envoy's limit on values, against clients that fill the metadata. */
const LONGEST_VALUE_BYTES = 8 * 1024;

class Target {
  readonly #namespace: string;
  readonly #key: string;
  readonly #value: string;
  readonly #type: Config_KeyValuePair['type'];
  readonly #base64: boolean;
  readonly #rewrite: RegexSubstitution | null;

  constructor(config: Config_KeyValuePair) {
    this.#namespace = config.metadataNamespace || OWN_NAMESPACE;
    this.#key = config.key;
    this.#value = config.value;
    this.#type = config.type;
    if (this.#type === 'PROTOBUF_VALUE')
      throw new DragomanError('UNSUPPORTED', 'header_to_metadata: type PROTOBUF_VALUE is not supported');
    this.#base64 = config.encode === 'BASE64';
    const rewrite = config.regexValueRewrite;
    this.#rewrite =
      rewrite === undefined
        ? null
        : new RegexSubstitution(rewrite.pattern?.regex ?? '', rewrite.substitution);
  }

  /** `found` is the header's value; null when it is missing. */
  store(stream: Stream, found: string | null): void {
    let text = this.#value !== '' ? this.#value : (found ?? '');
    if (found !== null && this.#value === '' && this.#rewrite !== null) text = this.#rewrite.replaceAll(text);
    if (text === '' || text.length > LONGEST_VALUE_BYTES) return;
    if (this.#base64) text = decodedBase64(text);
    if (text === '') return;
    const value = this.#type === 'NUMBER' ? numberOf(text) : Buffer.from(text, 'latin1').toString('utf8');
    if (typeof value === 'number' && Number.isNaN(value)) return;
    stream.info.setDynamicMetadata(this.#namespace, this.#key, value);
  }
}

/** '' for what is no base64 with padding: then nothing is stored. */
function decodedBase64(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes.toString('latin1') : '';
}

/** NaN for what is no decimal number, also for the other notations of JavaScript. */
const numberOf = (text: string): number => (/^[+-]?0[box]/i.test(text) ? Number.NaN : Number(text));

class Rule {
  readonly #header: string;
  readonly #cookie: string;
  readonly #onPresent: Target | null;
  readonly #onMissing: Target | null;
  readonly #remove: boolean;

  constructor(config: Config_Rule) {
    this.#header = config.header.toLowerCase();
    this.#cookie = config.cookie;
    this.#onPresent = config.onHeaderPresent === undefined ? null : new Target(config.onHeaderPresent);
    this.#onMissing = config.onHeaderMissing === undefined ? null : new Target(config.onHeaderMissing);
    this.#remove = config.remove;
  }

  apply(stream: Stream, headers: HeaderMap): void {
    const found = this.#find(stream, headers);
    if (found === undefined) {
      this.#onMissing?.store(stream, null);
      return;
    }
    this.#onPresent?.store(stream, found);
    if (this.#remove && this.#header !== '') headers.remove(this.#header);
  }

  #find(stream: Stream, headers: HeaderMap): string | undefined {
    if (this.#header === '')
      return stream.requestHeaders === null ? undefined : cookie(stream.requestHeaders, this.#cookie);
    const all = headers.getAll(this.#header);
    return all.length === 0 ? undefined : all.join(',');
  }
}

/** The rules of the filter or of a route. */
class Rules {
  readonly request: readonly Rule[];
  readonly response: readonly Rule[];

  constructor(config: HeaderToMetadataConfig) {
    this.request = config.requestRules.map(rule => new Rule(rule));
    this.response = config.responseRules.map(rule => new Rule(rule));
  }
}

/** Keeps nothing of a stream: one object serves them all. */
class HeaderToMetadataFilter implements HttpFilter, HttpFilterInstance {
  readonly #rules: Rules;
  readonly #name: string;

  constructor(rules: Rules, name: string) {
    this.#rules = rules;
    this.#name = name;
  }

  createFilter(): HttpFilter {
    return this;
  }

  #rulesFor(stream: Stream): Rules {
    return (stream.routeConfig(this.#name) as Rules | undefined) ?? this.#rules;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    for (const rule of this.#rulesFor(stream).request) rule.apply(stream, headers);
    return HeadersStatus.Continue;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders): HeadersStatus {
    for (const rule of this.#rulesFor(stream).response) rule.apply(stream, headers);
    return HeadersStatus.Continue;
  }
}

export const headerToMetadataFilterType: HttpFilterType<HeaderToMetadataConfig, HeaderToMetadataConfig> = {
  name: 'envoy.filters.http.header_to_metadata',
  configTypes: ['envoy.extensions.filters.http.header_to_metadata.v3.Config'],
  routeConfigTypes: ['envoy.extensions.filters.http.header_to_metadata.v3.Config'],
  validate(config, report) {
    try {
      new Rules(config);
    } catch (error) {
      report('', error instanceof Error ? error.message : String(error));
    }
  },
  create(config, context) {
    return new HeaderToMetadataFilter(new Rules(config), context.filterName);
  },
  compileRouteConfig(config) {
    return new Rules(config);
  },
};
