// The token buckets of local rate limits: made once by the main thread, so that all workers draw from the same ones. Two
// equal configurations are interchangeable, so a bucket is found by its configuration's text and a running number.

import type { Any, LocalRateLimit } from '@dragoman/config';
import type { FilterContext } from '@dragoman/proxy';
import { TokenBucket, type TokenBucketMemory } from '@dragoman/shm';

export const LOCAL_RATE_LIMIT_TYPE = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const ATTACHMENT = 'local_ratelimit';

/** What the main thread attaches: for each text, one memory per occurrence. */
type SharedBuckets = ReadonlyMap<string, readonly TokenBucketMemory[]>;

/** Wall-clock milliseconds on a scale that all threads have in common. */
export function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}

function memoryOf(config: LocalRateLimit): TokenBucketMemory | null {
  const bucket = config.tokenBucket;
  if (bucket === undefined) return null;
  return TokenBucket.create(
    {
      maxTokens: bucket.maxTokens,
      tokensPerFill: bucket.tokensPerFill ?? 1,
      fillIntervalMs: bucket.fillInterval ?? 0,
    },
    sharedNowMs(),
  );
}

function isLocalRateLimit(value: object): value is Any<LocalRateLimit> {
  return 'typeName' in value && value.typeName === LOCAL_RATE_LIMIT_TYPE;
}

/** Makes the buckets of every local rate limit in `config` (a bootstrap, a listener, routes); the result is attached. */
export function prepareLocalRateLimits(config: object): Map<string, unknown> {
  const found = new Map<string, TokenBucketMemory[]>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
    if (isLocalRateLimit(value)) {
      const memory = memoryOf(value.value);
      if (memory === null) return;
      const text = JSON.stringify(value.value);
      const same = found.get(text);
      if (same === undefined) found.set(text, [memory]);
      else same.push(memory);
      return;
    }
    for (const item of Array.isArray(value) ? value : Object.values(value)) visit(item);
  };
  visit(config);
  return found.size === 0 ? new Map() : new Map([[ATTACHMENT, found]]);
}

/** How many buckets of one text this worker has taken, for each version of the configuration. */
const taken = new WeakMap<object, Map<string, number>>();

/** The bucket of one configuration; its own when the main thread has prepared none. Null without a token_bucket. */
export function bucketFor(config: LocalRateLimit, context: FilterContext): TokenBucket | null {
  const buckets = context.attachments.get(ATTACHMENT) as SharedBuckets | undefined;
  const text = JSON.stringify(config);
  let counts = taken.get(context.attachments);
  if (counts === undefined) {
    counts = new Map();
    taken.set(context.attachments, counts);
  }
  const number = counts.get(text) ?? 0;
  counts.set(text, number + 1);
  const memory = buckets?.get(text)?.[number] ?? memoryOf(config);
  return memory === null ? null : new TokenBucket(memory);
}
