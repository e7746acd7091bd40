// Blots out what Envoy's protos mark as sensitive before a configuration is shown.

import type { JsonValue } from '@dragoman/config';

const REDACTED = '[redacted]';
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** Fields whose whole contents are secret; the bytes fields of a DataSource hold base64. */
const SENSITIVE = new Set(['private_key', 'password', 'pkcs12', 'session_ticket_keys', 'generic_secret']);
const BYTES = new Set(['inline_bytes']);

function blot(value: JsonValue, name: string): JsonValue {
  if (typeof value === 'string') return BYTES.has(name) ? REDACTED_BYTES : REDACTED;
  if (Array.isArray(value)) return value.map(item => blot(item, name));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, key === '@type' ? item : blot(item, key)]),
    );
  return value;
}

/** A copy without secrets. */
export function redact(value: readonly JsonValue[]): JsonValue[] {
  return value.map(visit);
}

function visit(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(visit);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, SENSITIVE.has(key) ? blot(item, key) : visit(item)]),
  );
}
