// Subset criteria of a route: the "envoy.lb" metadata it asks of a host, compiled once with the route.

import type { JsonObject, Metadata } from '@dragoman/config';
import type { MetadataMatch } from './load-balancer.ts';

/** A text that is equal for equal JSON values, whatever the order of their keys. */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value ?? null);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalText(field)}`).join(',')}}`;
}

/**
 * Criteria of one or more `metadata_match` messages, later ones overriding earlier keys (route, then weighted
 * cluster); null when none asks for anything. Make it once per route: balancers remember what it led to.
 */
export function compileMetadataMatch(...messages: (Metadata | undefined)[]): MetadataMatch | null {
  const wanted: JsonObject = {};
  for (const message of messages) Object.assign(wanted, message?.filterMetadata?.['envoy.lb']);
  return metadataMatchOf(wanted);
}

export function metadataMatchOf(wanted: JsonObject): MetadataMatch | null {
  const criteria = Object.entries(wanted)
    .map(([key, value]) => [key, canonicalText(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return criteria.length === 0 ? null : { criteria };
}
