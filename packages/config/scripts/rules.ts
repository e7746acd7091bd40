// Turns a field's `validate.rules` option into the small object the validator reads. Build time only.

import type protobuf from 'protobufjs';

type Json = { [key: string]: Json } | Json[] | string | number | boolean;

function merge(into: Record<string, unknown>, from: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(from)) {
    const old = into[key];
    if (isRecord(old) && isRecord(value)) merge(old, value);
    else into[key] = value;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Durations and timestamps inside rules become milliseconds; nested rules (items, keys, values) stay nested. */
function plain(rules: Record<string, unknown>, kind: string): Record<string, Json> {
  const result: Record<string, Json> = {};
  for (const [key, value] of Object.entries(rules)) {
    if (kind === 'duration' && isRecord(value)) result[key] = durationMs(value);
    else if (kind === 'duration' && Array.isArray(value))
      result[key] = value.map(v => durationMs(v as never));
    else if ((key === 'items' || key === 'keys' || key === 'values') && isRecord(value)) {
      result[key] = nested(value);
    } else if (key === 'in' || key === 'not_in') result[key] = [value].flat() as Json[];
    else result[key] = value as Json;
  }
  return result;
}

const durationMs = (value: { seconds?: number; nanos?: number }): number =>
  Number(value.seconds ?? 0) * 1000 + Number(value.nanos ?? 0) / 1e6;

function nested(rules: Record<string, unknown>): Record<string, Json> {
  const result: Record<string, Json> = {};
  for (const [kind, value] of Object.entries(rules))
    result[kind] = isRecord(value) ? plain(value, kind) : (value as Json);
  return result;
}

/** `{ string: { min_len: 1 } }`, or null without rules. */
export function rulesOf(field: protobuf.Field): Record<string, Json> | null {
  const merged: Record<string, unknown> = {};
  for (const option of (field.parsedOptions ?? []) as Record<string, unknown>[]) {
    const rules = option['(validate.rules)'];
    if (isRecord(rules)) merge(merged, structuredClone(rules));
  }
  return Object.keys(merged).length === 0 ? null : nested(merged);
}
