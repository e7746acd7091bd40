// Checks of route tables beyond single values: domains, clusters that must exist, weights, bodies, header lists.

import type {
  Route,
  RouteAction,
  RouteConfiguration,
  VirtualHost,
  WeightedCluster,
} from '../../descriptor/types.ts';
import type { Decoded } from '../decode/json-decoder.ts';
import { suggestion } from '../decode/suggestion.ts';
import type { CheckContext, TypeChecks } from './context.ts';
import { checkHeaderLists } from './texts.ts';

type Path = readonly (string | number)[];

/** Envoy's default for max_direct_response_body_size_bytes. */
const MAX_DIRECT_BODY_BYTES = 4096;

/** Checks one route table. */
class RouteTableCheck {
  readonly #context: CheckContext;
  readonly #table: RouteConfiguration;
  readonly #path: Path;

  constructor(context: CheckContext, table: RouteConfiguration, path: Path) {
    this.#context = context;
    this.#table = table;
    this.#path = path;
  }

  run(): void {
    this.#domains();
    this.#mirrors(this.#table.requestMirrorPolicies, this.#path);
    this.#table.virtualHosts.forEach((host, i) => {
      const path = [...this.#path, 'virtual_hosts', i];
      this.#mirrors(host.requestMirrorPolicies, path);
      host.routes.forEach((route, j) => {
        this.#route(route, [...path, 'routes', j]);
      });
    });
  }

  #error(path: Path, message: string, hint = ''): void {
    this.#context.problems.error(path, message, '', hint);
  }

  #domains(): void {
    const seen = new Set<string>();
    this.#table.virtualHosts.forEach((host: VirtualHost, i) => {
      host.domains.forEach((written, j) => {
        const domain = written.toLowerCase();
        const where = `in route ${this.#table.name}`;
        if (seen.has(domain)) {
          const text =
            domain === '*'
              ? `Only a single wildcard domain is permitted ${where}`
              : `Only unique values for domains are permitted. Duplicate entry of domain ${domain} ${where}`;
          this.#error([...this.#path, 'virtual_hosts', i, 'domains', j], text);
        }
        seen.add(domain);
      });
    });
  }

  #route(route: Route, path: Path): void {
    if (route.route !== undefined) this.#action(route.route, [...path, 'route']);
    const { directResponse } = route;
    if (directResponse?.body === undefined) return;
    const { inlineString, inlineBytes } = directResponse.body;
    const size = inlineString !== undefined ? Buffer.byteLength(inlineString) : (inlineBytes?.length ?? 0);
    const limit = this.#table.maxDirectResponseBodySizeBytes ?? MAX_DIRECT_BODY_BYTES;
    if (size > limit) {
      const hint = 'raise max_direct_response_body_size_bytes of the route configuration';
      this.#error(
        [...path, 'direct_response', 'body'],
        `response body size is ${size} bytes; maximum is ${limit}`,
        hint,
      );
    }
  }

  #action(action: RouteAction, path: Path): void {
    if (action.cluster !== undefined)
      this.#cluster(action.cluster, [...path, 'cluster'], 'route: unknown cluster');
    if (action.weightedClusters !== undefined)
      this.#weights(action.weightedClusters, [...path, 'weighted_clusters']);
    this.#mirrors(action.requestMirrorPolicies, path);
    const rewrites = [
      action.prefixRewrite !== '',
      action.regexRewrite !== undefined,
      action.pathRewritePolicy !== undefined,
    ];
    if (rewrites.filter(Boolean).length > 1) {
      this.#error(path, 'Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy');
    }
    const upgrades = new Set<string>();
    action.upgradeConfigs.forEach(({ upgradeType, connectConfig }, i) => {
      const type = upgradeType.toLowerCase();
      const at = [...path, 'upgrade_configs', i];
      if (upgrades.has(type)) this.#error(at, `Duplicate upgrade ${upgradeType}`);
      upgrades.add(type);
      if (connectConfig !== undefined && type !== 'connect' && type !== 'connect-udp') {
        this.#error(at, `Non-CONNECT upgrade type ${upgradeType} has ConnectConfig`);
      }
    });
    const backOff = action.retryPolicy?.retryBackOff;
    if (backOff?.maxInterval !== undefined && backOff.maxInterval < (backOff.baseInterval ?? 0)) {
      this.#error(
        [...path, 'retry_policy', 'retry_back_off'],
        'retry_policy.max_interval must be greater than or equal to the base_interval',
      );
    }
  }

  #weights(weighted: WeightedCluster, path: Path): void {
    const sum = weighted.clusters.reduce((total, { weight }) => total + (weight ?? 0), 0);
    if (weighted.clusters.length > 0 && sum === 0) {
      this.#error(path, 'Sum of weights in the weighted_cluster must be greater than 0.');
    }
    if (sum > 2 ** 32 - 1)
      this.#error(path, `The sum of weights of all weighted clusters exceeds ${2 ** 32 - 1}`);
    weighted.clusters.forEach((cluster, i) => {
      const at = [...path, 'clusters', i];
      if (cluster.name !== '' && cluster.clusterHeader !== '') {
        this.#error(at, 'Only one of name or cluster_header can be specified');
      } else if (cluster.name === '' && cluster.clusterHeader === '') {
        this.#error(at, 'At least one of name or cluster_header need to be specified');
      } else if (cluster.name !== '')
        this.#cluster(cluster.name, [...at, 'name'], 'route: unknown weighted cluster');
    });
  }

  #mirrors(policies: readonly { cluster: string }[], path: Path): void {
    policies.forEach((policy, i) => {
      const at = [...path, 'request_mirror_policies', i, 'cluster'];
      if (policy.cluster !== '') this.#cluster(policy.cluster, at, 'route: unknown shadow cluster');
    });
  }

  #cluster(name: string, path: Path, message: string): void {
    const known = this.#context.clusterNames;
    if (known === null || known.has(name) || this.#table.validateClusters === false) return;
    this.#error(path, `${message} '${name}'`, suggestion(name, [...known]));
  }
}

/** Checks by message type. */
export function routeChecks(context: CheckContext): TypeChecks {
  const headerLists = (message: Decoded, path: (string | number)[]): void =>
    checkHeaderLists(context, message, path);
  return {
    'envoy.config.route.v3.RouteConfiguration': (table: RouteConfiguration, path) => {
      new RouteTableCheck(context, table, path).run();
      headerLists(table as unknown as Decoded, path);
    },
    'envoy.config.route.v3.VirtualHost': headerLists,
    'envoy.config.route.v3.Route': headerLists,
    'envoy.config.route.v3.WeightedCluster.ClusterWeight': headerLists,
    'envoy.config.route.v3.FilterConfig': (
      { config, disabled }: { config?: object; disabled: boolean },
      path,
    ) => {
      if (config !== undefined || disabled) return;
      const text = 'Empty route/virtual host per filter configuration for one filter';
      context.problems.error(path, text, 'config or disabled: true');
    },
  };
}
