// Configurations that Dragoman and real Envoy are both started with: one listener, one route, one cluster, and at
// most one HTTP filter before the router.
import path from 'node:path';
import { addedHeader } from './workload.ts';

const types = 'type.googleapis.com/';
const extensions = `${types}envoy.extensions.filters`;
const plugins = path.join(import.meta.dirname, '../examples/plugins');
/** Twenty headers set, read and removed on every request; HEAVY_PLUGIN names another one of that kind. */
const heavyPlugin =
  process.env.HEAVY_PLUGIN ?? path.join(import.meta.dirname, 'plugins/c-heavy/c-heavy.wasm');

/** The HTTP filters that are measured, by the last part of the contestant's name; `bare` is none. */
export const filterNames = [
  'bare',
  'header-mutation',
  'lua',
  'wasm-c',
  'wasm-rust',
  'wasm-as',
  'wasm-go',
  'wasm-heavy',
] as const;
export type FilterName = (typeof filterNames)[number];

/** The response header that each filter adds. */
export const filterHeaders: Record<FilterName, string | null> = {
  bare: null,
  'header-mutation': addedHeader.name,
  lua: addedHeader.name,
  'wasm-c': 'x-c-header',
  'wasm-rust': 'x-rust-header',
  'wasm-as': 'x-as-header',
  'wasm-go': 'x-wasm-filter',
  'wasm-heavy': 'x-heavy',
};

export interface ProxyPorts {
  listener: number;
  admin: number;
  upstream: number;
}

/** A bootstrap as an object; written as JSON it is also YAML. */
export function bootstrap(filter: FilterName, ports: ProxyPorts): object {
  return {
    admin: { address: address(ports.admin) },
    static_resources: {
      listeners: [
        {
          name: 'listener',
          address: address(ports.listener),
          filter_chains: [{ filters: [connectionManager(filter)] }],
        },
      ],
      clusters: [
        {
          name: 'upstream',
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: 'upstream',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(ports.upstream) } }] }],
          },
        },
      ],
    },
  };
}

function connectionManager(filter: FilterName): object {
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${extensions}.http.router.v3.Router` },
  };
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${extensions}.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'benchmark',
      route_config: {
        name: 'routes',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            // Long enough for the body to the slow reader.
            routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '300s' } }],
          },
        ],
      },
      http_filters: filter === 'bare' ? [router] : [httpFilter(filter), router],
    },
  };
}

function httpFilter(filter: Exclude<FilterName, 'bare'>): object {
  switch (filter) {
    case 'header-mutation':
      return headerMutationFilter();
    case 'lua':
      return luaFilter();
    case 'wasm-c':
      return wasmFilter('c', addedHeader.value);
    case 'wasm-rust':
      return wasmFilter('rust', addedHeader.value);
    case 'wasm-as':
      return wasmFilter('as', addedHeader.value);
    case 'wasm-go':
      // The default period: the token is fetched a few times during a measurement, as it would be in use.
      return wasmFilter('go', JSON.stringify({ cluster: 'upstream' }));
    case 'wasm-heavy':
      return wasmFilter('c', '', heavyPlugin);
  }
}

function headerMutationFilter(): object {
  const append = {
    append: {
      header: { key: addedHeader.name, value: addedHeader.value },
      append_action: 'APPEND_IF_EXISTS_OR_ADD',
    },
  };
  return {
    name: 'envoy.filters.http.header_mutation',
    typed_config: {
      '@type': `${extensions}.http.header_mutation.v3.HeaderMutation`,
      mutations: { request_mutations: [append], response_mutations: [append] },
    },
  };
}

function luaFilter(): object {
  const add = `handle:headers():add("${addedHeader.name}", "${addedHeader.value}")`;
  return {
    name: 'envoy.filters.http.lua',
    typed_config: {
      '@type': `${extensions}.http.lua.v3.Lua`,
      default_source_code: {
        inline_string: `function envoy_on_request(handle) ${add} end\nfunction envoy_on_response(handle) ${add} end\n`,
      },
    },
  };
}

function wasmFilter(
  language: 'c' | 'rust' | 'as' | 'go',
  configuration: string,
  file = path.join(plugins, `${language}-header`, `${language}-header.wasm`),
): object {
  const name = path.basename(file, '.wasm');
  return {
    name: 'envoy.filters.http.wasm',
    typed_config: {
      '@type': `${extensions}.http.wasm.v3.Wasm`,
      config: {
        name,
        root_id: `${language}_header`,
        configuration: { '@type': `${types}google.protobuf.StringValue`, value: configuration },
        vm_config: {
          vm_id: name,
          runtime: 'envoy.wasm.runtime.v8',
          code: { local: { filename: file } },
        },
      },
    },
  };
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
