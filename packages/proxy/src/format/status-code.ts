// Status numbers for the names of envoy.type.v3.StatusCode in configurations: "TooManyRequests" is 429.

import { STATUS_CODES } from 'node:http';

const STATUSES: ReadonlyMap<string, number> = new Map(
  Object.entries(STATUS_CODES).map(([code, phrase]) => [
    (phrase ?? '').replaceAll(/[^A-Za-z]/g, '').toLowerCase(),
    Number(code),
  ]),
);

/** 0 for a name that is none. */
export function statusCodeNumber(name: string): number {
  return STATUSES.get(name.toLowerCase()) ?? 0;
}
