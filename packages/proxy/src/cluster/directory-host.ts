// A host on the main thread: the endpoint it stands for and what is held against it.

import { HealthFlag } from './host-health.ts';
import { addressText, type EndpointSpec, type HostSpec, isCanary } from './host-spec.ts';

const EDS_FLAGS =
  HealthFlag.FAILED_EDS_HEALTH | HealthFlag.DEGRADED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING;

export class DirectoryHost {
  readonly key: string;
  endpoint: EndpointSpec;
  address: string;
  /** Bits of HealthFlag. */
  flags: number;
  /** Counts that workers share for outlier detection; null without. */
  outlierCounts: SharedArrayBuffer | null = null;
  /** Percent over the last interval, -1 when there were too few requests. */
  successRate = -1;
  localOriginSuccessRate = -1;

  constructor(key: string, endpoint: EndpointSpec, address: string, startFlags: number) {
    this.key = key;
    this.endpoint = endpoint;
    this.address = address;
    this.flags = startFlags | endpoint.edsFlags;
  }

  get addressText(): string {
    return addressText(this.address, this.endpoint.port, this.endpoint.pipePath);
  }

  get canary(): boolean {
    return isCanary(this.endpoint.metadata);
  }

  /** The configured name, or the DNS name the address came from. */
  get hostname(): string {
    if (this.endpoint.hostname !== '') return this.endpoint.hostname;
    return this.endpoint.host === this.address ? '' : this.endpoint.host;
  }

  /** Takes over a newer description; true when workers must hear of it. */
  update(endpoint: EndpointSpec, address: string): boolean {
    const flags = (this.flags & ~(EDS_FLAGS | HealthFlag.PENDING_DYNAMIC_REMOVAL)) | endpoint.edsFlags;
    const changed =
      address !== this.address || flags !== this.flags || !sameEndpoint(endpoint, this.endpoint);
    this.endpoint = endpoint;
    this.address = address;
    this.flags = flags;
    return changed;
  }

  spec(): HostSpec {
    const { endpoint } = this;
    return {
      key: this.key,
      address: this.address,
      port: endpoint.port,
      pipePath: endpoint.pipePath,
      hostname: this.hostname,
      weight: endpoint.weight,
      priority: endpoint.priority,
      locality: endpoint.locality,
      localityWeight: endpoint.localityWeight,
      metadata: endpoint.metadata,
      healthFlags: this.flags,
      outlierCounts: this.outlierCounts ?? undefined,
    };
  }
}

/** A new assignment brings new objects; within one, the endpoint is the same object. */
function sameEndpoint(a: EndpointSpec, b: EndpointSpec): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
