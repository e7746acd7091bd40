// Shorter names for the generated types the checks use.

export type {
  Bootstrap,
  Bootstrap_StaticResources as StaticResources,
  Cluster,
  FilterChain,
  HttpConnectionManager,
  HttpFilter,
  Listener,
} from '../../descriptor/types.ts';
