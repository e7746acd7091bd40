// The header names a proxy looks up, as small integers, and the perfect hash that finds them from raw bytes.
// Unknown names are id 0 everywhere.

import { assert } from '@dragoman/base';

/**
 * Ids of known header names for getId, hasId and removeId. The order matters: the codec's own names come first,
 * then Envoy's; ids are not stable between versions.
 */
export const HeaderId = {
  // What the codec treats itself: framing, routing, hop-by-hop (ids up to LAST_CODEC_ID).
  HOST: 1,
  CONNECTION: 2,
  CONTENT_LENGTH: 3,
  TRANSFER_ENCODING: 4,
  TE: 5,
  UPGRADE: 6,
  KEEP_ALIVE: 7,
  PROXY_CONNECTION: 8,
  EXPECT: 9,
  HTTP2_SETTINGS: 10,
  // x-envoy-*: ids FIRST_ENVOY_ID to LAST_ENVOY_ID.
  X_ENVOY_INTERNAL: 11,
  X_ENVOY_RETRY_ON: 12,
  X_ENVOY_RETRY_GRPC_ON: 13,
  X_ENVOY_MAX_RETRIES: 14,
  X_ENVOY_RETRIABLE_STATUS_CODES: 15,
  X_ENVOY_RETRIABLE_HEADER_NAMES: 16,
  X_ENVOY_UPSTREAM_ALT_STAT_NAME: 17,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS: 18,
  X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS: 19,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE: 20,
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS: 21,
  X_ENVOY_FORCE_TRACE: 22,
  X_ENVOY_IP_TAGS: 23,
  X_ENVOY_ORIGINAL_URL: 24,
  X_ENVOY_ORIGINAL_PATH: 25,
  X_ENVOY_ORIGINAL_HOST: 26,
  X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT: 27,
  X_ENVOY_DECORATOR_OPERATION: 28,
  X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER: 29,
  X_ENVOY_DOWNSTREAM_SERVICE_NODE: 30,
  X_ENVOY_EXTERNAL_ADDRESS: 31,
  X_ENVOY_ATTEMPT_COUNT: 32,
  X_ENVOY_IS_TIMEOUT_RETRY: 33,
  X_ENVOY_UPSTREAM_STREAM_DURATION_MS: 34,
  X_ENVOY_UPSTREAM_SERVICE_TIME: 35,
  X_ENVOY_UPSTREAM_CANARY: 36,
  X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER: 37,
  X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL: 38,
  X_ENVOY_DEGRADED: 39,
  X_ENVOY_OVERLOADED: 40,
  X_ENVOY_LOCAL_OVERLOADED: 41,
  X_ENVOY_RATELIMITED: 42,
  X_ENVOY_AUTH_PARTIAL_BODY: 43,
  X_ENVOY_AUTH_FAILURE_MODE_ALLOWED: 44,
  X_ENVOY_AUTH_HEADERS_TO_REMOVE: 45,
  X_ENVOY_FAULT_ABORT_REQUEST: 46,
  X_ENVOY_FAULT_ABORT_GRPC_REQUEST: 47,
  X_ENVOY_FAULT_ABORT_REQUEST_PERCENTAGE: 48,
  X_ENVOY_FAULT_DELAY_REQUEST: 49,
  X_ENVOY_FAULT_DELAY_REQUEST_PERCENTAGE: 50,
  X_ENVOY_FAULT_THROUGHPUT_RESPONSE: 51,
  X_ENVOY_FAULT_THROUGHPUT_RESPONSE_PERCENTAGE: 52,
  X_ENVOY_PEER_METADATA: 53,
  X_ENVOY_PEER_METADATA_ID: 54,
  // What a connection manager, a router or a filter looks up.
  X_REQUEST_ID: 55,
  X_CLIENT_TRACE_ID: 56,
  X_FORWARDED_FOR: 57,
  X_FORWARDED_PROTO: 58,
  X_FORWARDED_HOST: 59,
  X_FORWARDED_PORT: 60,
  X_FORWARDED_CLIENT_CERT: 61,
  FORWARDED: 62,
  VIA: 63,
  SERVER: 64,
  DATE: 65,
  PROXY_AUTHENTICATE: 66,
  PROXY_AUTHORIZATION: 67,
  PROXY_STATUS: 68,
  TRAILER: 69,
  EARLY_DATA: 70,
  USER_AGENT: 71,
  ACCEPT: 72,
  ACCEPT_ENCODING: 73,
  ACCEPT_LANGUAGE: 74,
  COOKIE: 75,
  AUTHORIZATION: 76,
  CONTENT_TYPE: 77,
  CONTENT_ENCODING: 78,
  CACHE_CONTROL: 79,
  ORIGIN: 80,
  REFERER: 81,
  IF_NONE_MATCH: 82,
  IF_MODIFIED_SINCE: 83,
  RANGE: 84,
  ETAG: 85,
  LAST_MODIFIED: 86,
  LOCATION: 87,
  SET_COOKIE: 88,
  VARY: 89,
  ACCEPT_RANGES: 90,
  AGE: 91,
  EXPIRES: 92,
  CONTENT_LANGUAGE: 93,
  CONTENT_DISPOSITION: 94,
  CONTENT_RANGE: 95,
  STRICT_TRANSPORT_SECURITY: 96,
  WWW_AUTHENTICATE: 97,
  ALLOW: 98,
  RETRY_AFTER: 99,
  MAX_FORWARDS: 100,
  GRPC_STATUS: 101,
  GRPC_MESSAGE: 102,
  GRPC_TIMEOUT: 103,
  GRPC_STATUS_DETAILS_BIN: 104,
  GRPC_ENCODING: 105,
  GRPC_ACCEPT_ENCODING: 106,
  ACCESS_CONTROL_ALLOW_ORIGIN: 107,
  ACCESS_CONTROL_ALLOW_METHODS: 108,
  ACCESS_CONTROL_ALLOW_HEADERS: 109,
  ACCESS_CONTROL_ALLOW_CREDENTIALS: 110,
  ACCESS_CONTROL_EXPOSE_HEADERS: 111,
  ACCESS_CONTROL_MAX_AGE: 112,
  ACCESS_CONTROL_REQUEST_METHOD: 113,
  ACCESS_CONTROL_REQUEST_HEADERS: 114,
  ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK: 115,
  ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK: 116,
  TRACEPARENT: 117,
  TRACESTATE: 118,
  BAGGAGE: 119,
  B3: 120,
  X_B3_TRACEID: 121,
  X_B3_SPANID: 122,
  X_B3_PARENTSPANID: 123,
  X_B3_SAMPLED: 124,
  X_B3_FLAGS: 125,
  X_DATADOG_TRACE_ID: 126,
  X_DATADOG_PARENT_ID: 127,
  X_DATADOG_SAMPLING_PRIORITY: 128,
  X_OT_SPAN_CONTEXT: 129,
  X_CLOUD_TRACE_CONTEXT: 130,
  X_AMZN_TRACE_ID: 131,
  UBER_TRACE_ID: 132,
  SEC_WEBSOCKET_KEY: 133,
  SEC_WEBSOCKET_ACCEPT: 134,
  SEC_WEBSOCKET_VERSION: 135,
  SEC_WEBSOCKET_PROTOCOL: 136,
  SEC_FETCH_MODE: 137,
  SEC_FETCH_SITE: 138,
  SEC_FETCH_DEST: 139,
  PRAGMA: 140,
  DNT: 141,
  X_REAL_IP: 142,
  X_RATELIMIT_LIMIT: 143,
  X_RATELIMIT_REMAINING: 144,
  X_RATELIMIT_RESET: 145,
  X_POWERED_BY: 146,
  X_CONTENT_TYPE_OPTIONS: 147,
  X_FRAME_OPTIONS: 148,
  X_XSS_PROTECTION: 149,
  UPGRADE_INSECURE_REQUESTS: 150,
  IF_MATCH: 151,
  IF_UNMODIFIED_SINCE: 152,
  IF_RANGE: 153,
} as const;
export type HeaderId = (typeof HeaderId)[keyof typeof HeaderId];

/** Ids up to here need the codec's attention while a head is parsed. */
export const LAST_CODEC_ID: number = HeaderId.HTTP2_SETTINGS;

/** The id of a request's Host line while it stays where the client put it: written out, but never looked up. */
export const HIDDEN_HOST_ID = 255;

/** Name by id; entry 0 is the empty string. */
export const HEADER_NAMES: readonly string[] = [
  '',
  ...Object.keys(HeaderId).map(key => key.toLowerCase().replaceAll('_', '-')),
];

/** Id by lower-case name. */
export const HEADER_IDS: ReadonlyMap<string, number> = new Map(
  HEADER_NAMES.slice(1).map((name, index) => [name, index + 1] as const),
);

/** Words of a bit set over all ids. */
export const ID_WORDS: number = (HEADER_NAMES.length + 31) >> 5;

/** Bits of the x-envoy-* ids, by word. */
export const ENVOY_ID_BITS: Int32Array = bitsOf(name => name.startsWith('x-envoy-'));

function bitsOf(wanted: (name: string) => boolean): Int32Array {
  const bits = new Int32Array(ID_WORDS);
  for (let id = 1; id < HEADER_NAMES.length; id++) {
    if (wanted(HEADER_NAMES[id])) bits[id >> 5] |= 1 << (id & 31);
  }
  return bits;
}

const HASH_BITS = 11;
/** The first multiplier that worked for these names, so that it is found at once; new names may need another. */
const FIRST_MULTIPLIER = 0x43154ee9;
const MULTIPLIERS_TRIED = 10_000;

const MAX_NAME_LENGTH = Math.max(...HEADER_NAMES.map(name => name.length));

// The known names one after another, name `id` at NAME_STARTS[id]..NAME_STARTS[id + 1].
const NAME_BYTES = Buffer.from(HEADER_NAMES.join(''), 'latin1');
const NAME_STARTS = new Uint16Array(HEADER_NAMES.length + 1);
for (let id = 0; id < HEADER_NAMES.length; id++)
  NAME_STARTS[id + 1] = NAME_STARTS[id] + HEADER_NAMES[id].length;

const { multiplier: HASH_MULTIPLIER, slots: HASH_SLOTS } = perfectHash();

/**
 * Looks at the length, the last byte and three bytes in between: the fewest that differ for all known names. Telling a
 * known name from an unknown one is left to the comparison.
 */
function hashOf(bytes: Uint8Array, start: number, end: number, multiplier: number): number {
  const length = end - start;
  const features =
    (length << 25) ^
    (bytes[start + ((length * 7) >> 4)] << 18) ^
    (bytes[start + ((length * 9) >> 4)] << 12) ^
    (bytes[start + ((length * 12) >> 4)] << 6) ^
    bytes[end - 1];
  return Math.imul(features, multiplier) >>> (32 - HASH_BITS);
}

function perfectHash(): { multiplier: number; slots: Uint8Array } {
  const slots = new Uint8Array(1 << HASH_BITS);
  let multiplier = FIRST_MULTIPLIER;
  for (let tried = 0; tried < MULTIPLIERS_TRIED; tried++) {
    if (fillSlots(slots, multiplier)) return { multiplier, slots };
    multiplier = (Math.imul(multiplier, 1664525) + 1013904223) | 1;
  }
  assert(false, 'no perfect hash for the known header names: take more HASH_BITS');
}

function fillSlots(slots: Uint8Array, multiplier: number): boolean {
  slots.fill(0);
  for (let id = 1; id < HEADER_NAMES.length; id++) {
    const slot = hashOf(NAME_BYTES, NAME_STARTS[id], NAME_STARTS[id + 1], multiplier);
    if (slots[slot] !== 0) return false;
    slots[slot] = id;
  }
  return true;
}

/**
 * The id of the lower-case name at bytes[start..end), or 0. The range must not be empty. Kept small: it pays to have it
 * inlined into the loop over the lines.
 */
export function headerIdAt(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > MAX_NAME_LENGTH) return 0;
  const id = HASH_SLOTS[hashOf(bytes, start, end, HASH_MULTIPLIER)];
  let known = NAME_STARTS[id];
  // Slots without a name say 0, whose name is empty and as long as no name.
  if (NAME_STARTS[id + 1] - known !== end - start) return 0;
  for (let i = start; i < end; i++) if (bytes[i] !== NAME_BYTES[known++]) return 0;
  return id;
}
