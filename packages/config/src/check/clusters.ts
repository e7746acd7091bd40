// Checks of clusters beyond single values: names, endpoint addresses, what a discovery type needs.

import { isIP } from 'node:net';
import type { CheckContext, TypeChecks } from './context.ts';
import type { Cluster, StaticResources } from './types.ts';

type Path = readonly (string | number)[];

/** Names of the clusters of a bootstrap; reports a name that is used twice. */
export function checkClusterNames(context: CheckContext, resources: StaticResources, path: Path): void {
  const seen = new Set<string>();
  resources.clusters.forEach(({ name }, i) => {
    if (seen.has(name)) {
      context.problems.error(
        [...path, 'clusters', i, 'name'],
        `cluster manager: duplicate cluster '${name}'`,
      );
    }
    seen.add(name);
  });
}

interface EndpointAddress {
  address: string;
  path: Path;
}

function* addressesOf(cluster: Cluster, path: Path): Generator<EndpointAddress> {
  const localities = cluster.loadAssignment?.endpoints ?? [];
  for (const [i, { lbEndpoints }] of localities.entries()) {
    for (const [j, { endpoint }] of lbEndpoints.entries()) {
      const address = endpoint?.address?.socketAddress?.address;
      if (address === undefined) continue;
      const at = [
        'load_assignment',
        'endpoints',
        i,
        'lb_endpoints',
        j,
        'endpoint',
        'address',
        'socket_address',
        'address',
      ];
      yield { address, path: [...path, ...at] };
    }
  }
}

/** Envoy refuses a STATIC cluster with a host name; files that have one mean DNS, so it is resolved as STRICT_DNS. */
function resolveStaticNames(context: CheckContext, cluster: Cluster, path: Path): void {
  for (const { address, path: at } of addressesOf(cluster, path)) {
    if (address === '' || isIP(address) !== 0) continue;
    cluster.type = 'STRICT_DNS';
    context.problems.warn(
      at,
      `'${address}' is a host name in a STATIC cluster`,
      "resolved as with type 'STRICT_DNS'",
    );
  }
}

/** Checks by message type. */
export function clusterChecks(context: CheckContext): TypeChecks {
  return {
    'envoy.config.cluster.v3.Cluster': (cluster: Cluster, path) => {
      const type = cluster.clusterType === undefined ? (cluster.type ?? 'STATIC') : null;
      if (type === 'STATIC') resolveStaticNames(context, cluster, path);
      if (type === 'EDS' && cluster.edsClusterConfig?.edsConfig === undefined) {
        context.problems.error(
          path,
          'cannot create an EDS cluster without an EDS config',
          'eds_cluster_config.eds_config',
        );
      }
      const localities = cluster.loadAssignment?.endpoints ?? [];
      if (type === 'LOGICAL_DNS' && (localities.length !== 1 || localities[0]!.lbEndpoints.length !== 1)) {
        const text = 'LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint';
        context.problems.error([...path, 'load_assignment'], text);
      }
    },
  };
}
