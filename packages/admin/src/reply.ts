// Requests and answers of the admin pages, before HTTP.

import type { Query } from './query.ts';

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
}

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** A second x-content-type-options line in front, as Envoy sends with errors of /config_dump. */
  readonly noSniffTwice?: boolean;
  /** Done once the answer is on its way. */
  readonly afterwards?: () => void;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const JSON_TYPE = 'application/json';
export const HTML = 'text/html; charset=UTF-8';

export const text = (body: string, status = 200): AdminReply => ({ status, contentType: TEXT, body });

/** Pretty JSON as protobuf prints it: one space per level, a line feed at the end. */
export const json = (value: unknown): AdminReply => ({
  status: 200,
  contentType: JSON_TYPE,
  body: `${JSON.stringify(value, null, 1)}\n`,
});

export const ok = (): AdminReply => text('OK\n');

/** RFC 3339 with milliseconds, without them when they are zero. */
export const timestamp = (wallMs: number): string => new Date(wallMs).toISOString().replace('.000Z', 'Z');
