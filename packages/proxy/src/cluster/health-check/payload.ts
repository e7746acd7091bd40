// Byte patterns of health checks: what to send, and what must come back, in order, anywhere in the answer.

import type { HealthCheck_Payload as PayloadConfig } from '@dragoman/config';

/** `text` is hexadecimal. */
export function payloadBytes(payload: PayloadConfig | undefined): Buffer {
  if (payload?.binary !== undefined) return Buffer.from(payload.binary);
  return Buffer.from(payload?.text ?? '', 'hex');
}

/** True when every pattern is in `bytes`, each behind the one before it. */
export function containsInOrder(bytes: Buffer, patterns: readonly Buffer[]): boolean {
  let from = 0;
  for (const pattern of patterns) {
    const at = bytes.indexOf(pattern, from);
    if (at < 0) return false;
    from = at + pattern.length;
  }
  return true;
}
