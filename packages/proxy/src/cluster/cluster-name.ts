// The name of a cluster in statistics.

import type { Cluster as ClusterConfig } from '@dragoman/config';

/** alt_stat_name or name, with ':' made '_'. */
export function clusterStatName(config: ClusterConfig): string {
  return (config.altStatName || config.name).replaceAll(':', '_');
}
