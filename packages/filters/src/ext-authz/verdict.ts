// What an authorization service has said about a request, whichever protocol it speaks.

import type { HeaderMap } from '@dragoman/http';

export const Decision = { Ok: 0, Denied: 1, Error: 2 } as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

/** How a header goes into the map it is for. */
export const HeaderAction = { Set: 0, Add: 1, AppendIfExists: 2, AddIfAbsent: 3, SetIfExists: 4 } as const;

export interface HeaderChange {
  readonly name: string;
  /** A byte string, as header values are. */
  readonly value: string;
  readonly action: number;
}

export interface Verdict {
  readonly decision: Decision;
  /** Of the answer to the client, when denied. */
  readonly status: number;
  readonly body: Buffer;
  /** Denied: headers of the answer. */
  readonly answerHeaders: readonly HeaderChange[];
  /** Ok: what becomes of the request. */
  readonly requestHeaders: readonly HeaderChange[];
  readonly requestHeadersToRemove: readonly string[];
  readonly queryParametersToSet: readonly (readonly [key: string, value: string])[];
  readonly queryParametersToRemove: readonly string[];
  /** Ok: for the response to the client. */
  readonly responseHeaders: readonly HeaderChange[];
  readonly dynamicMetadata: Readonly<Record<string, unknown>>;
}

const NOTHING: Verdict = {
  decision: Decision.Error,
  status: 0,
  body: Buffer.alloc(0),
  answerHeaders: [],
  requestHeaders: [],
  requestHeadersToRemove: [],
  queryParametersToSet: [],
  queryParametersToRemove: [],
  responseHeaders: [],
  dynamicMetadata: {},
};

export function verdict(decision: Decision, parts: Partial<Verdict> = {}): Verdict {
  return { ...NOTHING, ...parts, decision };
}

/** False: the header cannot be written as it is, and was left out. */
export function applyHeader(headers: HeaderMap, { name, value, action }: HeaderChange): boolean {
  switch (action) {
    case HeaderAction.Set:
      return headers.set(name, value);
    case HeaderAction.Add:
      return headers.add(name, value);
    case HeaderAction.AddIfAbsent:
      return headers.has(name) || headers.add(name, value);
    case HeaderAction.SetIfExists:
      return !headers.has(name) || headers.set(name, value);
    default:
      // A line of its own beside those that are there, and nothing where there is none (measured on Envoy 1.40).
      return !headers.has(name) || headers.add(name, value);
  }
}
