// What every load balancer of a cluster looks like, and what a request tells it.

import type { Host } from '../host.ts';
import type { HostSet } from '../host-set.ts';

/** Criteria a host must meet, compiled from `metadata_match` once per route (see metadata-match.ts). */
export interface MetadataMatch {
  /** Keys of the "envoy.lb" metadata with the canonical text of the values asked for, sorted by key. */
  readonly criteria: readonly (readonly [key: string, value: string])[];
}

/** What a request tells the balancer. One object per stream, reused: reset() between requests. */
export class LbContext {
  /** True when the route's hash policy gave a hash. */
  hasHash = false;
  /** The 64-bit hash as two unsigned 32-bit halves. */
  hashHigh = 0;
  hashLow = 0;
  metadataMatch: MetadataMatch | null = null;
  /** True from the second attempt of a request on: only then hosts are avoided. */
  isRetry = false;
  /** Hosts that earlier attempts used and that this attempt should avoid (retry_host_predicate previous_hosts). */
  previousHosts: Host[] = [];
  /** Further picks allowed while a pick is one of `previousHosts` (host_selection_retry_max_attempts). */
  hostSelectionRetries = 0;
  /** True when canary hosts should be avoided (retry_host_predicate omit_canary_hosts). */
  omitCanaries = false;
  /** "10.0.0.1:8080" of an ORIGINAL_DST request: from the header, or the address the client asked for. */
  originalDestination = '';
  /** Address of the host that a session is bound to; '' for none. */
  overrideHost = '';

  reset(): void {
    this.hasHash = false;
    this.hashHigh = 0;
    this.hashLow = 0;
    this.metadataMatch = null;
    this.isRetry = false;
    if (this.previousHosts.length > 0) this.previousHosts = [];
    this.hostSelectionRetries = 0;
    this.omitCanaries = false;
    this.originalDestination = '';
    this.overrideHost = '';
  }

  /** True when `host` should be passed over for another one, if there is another one. */
  shouldSelectAnother(host: Host): boolean {
    return (this.isRetry && this.omitCanaries && host.canary) || this.previousHosts.includes(host);
  }
}

export interface LoadBalancer {
  /** A host for a request, or null when no host may be used. */
  pick(context: LbContext | null): Host | null;
  /** Takes over new tables of hosts, by priority; called on every membership or health change. */
  rebuild(hostSets: readonly HostSet[]): void;
}

/** Picks from one fixed list of hosts; made anew when the list changes. */
export interface HostPicker {
  /** `attempt` counts the picks for one attempt of one request from 0, so that hashing ones can move on. */
  pick(context: LbContext | null, attempt: number): Host | null;
}

/** Makes the picker of a policy for a list of hosts. */
export type PickerFactory = (hosts: readonly Host[]) => HostPicker;

/** Picks nothing: for an empty list. */
export const emptyPicker: HostPicker = { pick: () => null };
