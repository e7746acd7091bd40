// Endpoints as plain data: what the main thread resolves and posts, and workers make Host objects from.
// Nothing here has behaviour of its own; it is all structured-cloneable.

import type { ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints, Metadata } from '@dragoman/config';
import { HealthFlag } from './host-health.ts';

/** Where an endpoint stands (Envoy: core.Locality). */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

export const NO_LOCALITY: Locality = { region: '', zone: '', subZone: '' };

/** One endpoint of one cluster, resolved. */
export interface HostSpec {
  /** Identity within the cluster: a host that keeps its key keeps its connections over an update. */
  readonly key: string;
  /** IP address, or '' for a pipe. */
  readonly address: string;
  readonly port: number;
  /** Path of a Unix domain socket, '' when the endpoint has an IP address. */
  readonly pipePath: string;
  /** Name of the endpoint: configured, or the DNS name it came from; '' when unknown. */
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  /** Weight of the whole locality within its priority; 0 when not configured. */
  readonly localityWeight: number;
  readonly metadata: Metadata | undefined;
  /** Bits of HealthFlag. */
  readonly healthFlags: number;
  /** Host-wide outlier counts, shared by all workers; only in clusters with outlier detection. */
  readonly outlierCounts?: SharedArrayBuffer;
}

/** An endpoint as configured: its `host` may still be a name. */
export interface EndpointSpec {
  /** IP address or DNS name; '' for a pipe. */
  readonly host: string;
  readonly port: number;
  readonly pipePath: string;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  readonly localityWeight: number;
  readonly metadata: Metadata | undefined;
  /** What the configuration or the management server says of its health, as bits of HealthFlag. */
  readonly edsFlags: number;
  readonly healthCheck: HealthCheckTarget | null;
}

/** `endpoint.health_check_config`: where probes go when not to the endpoint itself. */
export interface HealthCheckTarget {
  readonly port: number;
  readonly hostname: string;
  readonly address: string;
  readonly disabled: boolean;
}

/** "127.0.0.1:8080", "[::1]:8080", or the path of a pipe: Envoy's text of an address. */
export function addressText(address: string, port: number, pipePath: string): string {
  if (pipePath !== '') return pipePath;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Endpoints of an assignment in order; names are not resolved here. */
export function endpointSpecs(assignment: ClusterLoadAssignment | undefined): EndpointSpec[] {
  const specs: EndpointSpec[] = [];
  for (const group of assignment?.endpoints ?? []) {
    for (const entry of group.lbEndpoints ?? []) {
      const spec = endpointSpec(group, entry);
      if (spec !== null) specs.push(spec);
    }
  }
  return specs;
}

function endpointSpec(group: LocalityLbEndpoints, entry: LbEndpoint): EndpointSpec | null {
  const endpoint = entry.endpoint;
  const socket = endpoint?.address?.socketAddress;
  const pipe = endpoint?.address?.pipe;
  if (endpoint === undefined || (socket === undefined && pipe === undefined)) return null;
  const check = endpoint.healthCheckConfig;
  return {
    host: socket?.address ?? '',
    port: socket?.portValue ?? 0,
    pipePath: pipe?.path ?? '',
    hostname: endpoint.hostname ?? '',
    weight: entry.loadBalancingWeight ?? 1,
    priority: group.priority ?? 0,
    locality: group.locality
      ? {
          region: group.locality.region ?? '',
          zone: group.locality.zone ?? '',
          subZone: group.locality.subZone ?? '',
        }
      : NO_LOCALITY,
    localityWeight: group.loadBalancingWeight ?? 0,
    metadata: entry.metadata,
    edsFlags: edsHealthFlags(entry.healthStatus),
    healthCheck: check
      ? {
          port: check.portValue ?? 0,
          hostname: check.hostname ?? '',
          address: check.address?.socketAddress?.address ?? '',
          disabled: check.disableActiveHealthCheck ?? false,
        }
      : null,
  };
}

function edsHealthFlags(status: string | undefined): number {
  switch (status) {
    case 'UNHEALTHY':
    case 'TIMEOUT':
      return HealthFlag.FAILED_EDS_HEALTH;
    case 'DRAINING':
      return HealthFlag.EDS_STATUS_DRAINING;
    case 'DEGRADED':
      return HealthFlag.DEGRADED_EDS_HEALTH;
    default:
      return 0;
  }
}

/** True for an endpoint that its metadata marks as a canary. */
export function isCanary(metadata: Metadata | undefined): boolean {
  return metadata?.filterMetadata?.['envoy.lb']?.canary === true;
}

/** Gives every host of a list its key: the address, with a number after it where an address is repeated. */
export class HostKeys {
  #seen = new Map<string, number>();

  next(text: string): string {
    const count = this.#seen.get(text) ?? 0;
    this.#seen.set(text, count + 1);
    return count === 0 ? text : `${text}#${count}`;
  }
}
