// What a health checker wants of a probe, whatever it speaks: one question at a time, one outcome each.

import type { Socket } from 'node:net';

/** How a probe ended. */
export const ProbeOutcome = {
  SUCCESS: 0,
  /** Answered, and asked for less traffic (x-envoy-degraded). */
  DEGRADED: 1,
  /** Answered that it is not healthy: counts at once. */
  FAILURE: 2,
  /** Answered with a status that only counts when repeated (retriable_statuses). */
  RETRIABLE_FAILURE: 3,
  /** No connection, or it broke. */
  NETWORK_FAILURE: 4,
  /** No answer in time. */
  TIMEOUT: 5,
} as const;
export type ProbeOutcome = (typeof ProbeOutcome)[keyof typeof ProbeOutcome];

/** Asks one host. */
export interface Probe {
  /** Asks once; exactly one outcome follows, later, unless cancelled. */
  start(onOutcome: (outcome: ProbeOutcome) => void): void;
  /** Gives the question up, connection and all. */
  cancel(): void;
  /** Closes what is kept between questions. */
  close(): void;
}

/** Where to ask and how to get there. */
export interface ProbeTarget {
  /** "127.0.0.1:8080", for log lines. */
  readonly text: string;
  /** The name to ask for where no `host` is configured. */
  readonly authority: string;
  /** A connection on its way: to the host, with the cluster's transport. */
  readonly connect: () => Socket;
}
