// What the proxy holds, as the admin pages want to see it.

import type {
  AddressView,
  CertificateDetails,
  CertificateView,
  ClusterView,
  HostView,
  ListenerView,
  ThresholdsView,
} from '@dragoman/admin';
import type { Bootstrap } from '@dragoman/config';
import {
  type BoundListener,
  certificatesInUse,
  type ClusterView as DirectoryClusterView,
  type HostView as DirectoryHostView,
  healthFlagsText,
} from '@dragoman/proxy';

function thresholdsView(thresholds: DirectoryClusterView['thresholds'][number]): ThresholdsView {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = thresholds;
  return { maxConnections, maxPendingRequests, maxRequests, maxRetries };
}

function hostView(host: DirectoryHostView): HostView {
  const { address, port, pipePath, healthFlags, locality, ...rest } = host;
  return {
    ...rest,
    ...locality,
    address: { address, port, pipe: pipePath },
    healthFlags: healthFlagsText(healthFlags),
  };
}

export function clusterView(cluster: DirectoryClusterView): ClusterView {
  const { name, observabilityName, addedViaApi, edsServiceName, outlier, thresholds, hosts } = cluster;
  return {
    ...{ name, observabilityName, addedViaApi, edsServiceName, outlier },
    defaultPriority: thresholdsView(thresholds[0]!),
    highPriority: thresholdsView(thresholds[1]!),
    hosts: hosts.map(hostView),
  };
}

/** The listeners by name, each with its addresses in the order of the configuration. */
export function listenerViews(bound: readonly BoundListener[]): ListenerView[] {
  const byName = new Map<string, AddressView[]>();
  for (const { listenerName, address, port } of bound) {
    const addresses = byName.get(listenerName) ?? [];
    byName.set(listenerName, addresses);
    addresses.push(port > 0 ? { address, port, pipe: '' } : { address: '', port: 0, pipe: address });
  }
  return [...byName].map(([name, addresses]) => ({ name, addresses }));
}

type CertificateInUse = ReturnType<typeof certificatesInUse>[number]['chain'][number];

function certificateDetails({ path, certificate }: CertificateInUse): CertificateDetails {
  return {
    path,
    serialNumber: certificate.serial,
    dnsNames: certificate.dnsSans,
    uris: certificate.uriSans,
    ipAddresses: certificate.ipSans,
    validFromMs: certificate.validFromMs,
    expirationMs: certificate.validToMs,
  };
}

/** The certificates of every TLS context. */
export function certificateViews(bootstrap: Bootstrap): CertificateView[] {
  return certificatesInUse(bootstrap).map(({ trusted, chain }) => ({
    caCert: trusted.map(certificateDetails),
    certChain: chain.map(certificateDetails),
  }));
}
