// The calm lines that someone sees who starts the gateway without a configuration: what listens, which plugins are
// loaded, what to try.

import type { Bootstrap, PluginConfig } from '@dragoman/config';
import type { BoundListener } from '@dragoman/proxy';

export interface GreetingFacts {
  readonly bootstrap: Bootstrap;
  readonly listeners: readonly BoundListener[];
  readonly concurrency: number;
  /** Milliseconds from the start of the process until it was ready. */
  readonly readyMs: number;
}

/** Plugins anywhere below `value`, in the order of the configuration. */
function pluginsOf(value: unknown, found: PluginConfig[] = []): PluginConfig[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found;
  const { typeName, value: inner } = value as { typeName?: string; value?: { config?: PluginConfig } };
  if (typeName?.endsWith('.wasm.v3.Wasm') && inner?.config !== undefined) found.push(inner.config);
  else for (const item of Object.values(value)) pluginsOf(item, found);
  return found;
}

function codeOf(plugin: PluginConfig): string {
  const { local, remote } = plugin.vmConfig?.code ?? {};
  return local?.filename ?? remote?.httpUri?.uri ?? 'inline';
}

export function greeting({ bootstrap, listeners, concurrency, readyMs }: GreetingFacts): string {
  const admin = bootstrap.admin?.address?.socketAddress;
  const lines = [
    '',
    `  Dragoman is ready (${Math.round(readyMs)} ms, ${concurrency} worker${concurrency > 1 ? 's' : ''})`,
    '',
  ];
  for (const { listenerName, address, port } of listeners)
    lines.push(`  listener  ${listenerName} on ${address}:${port}`);
  if (admin !== undefined) lines.push(`  admin     http://${admin.address}:${admin.portValue}/help`);
  for (const plugin of pluginsOf(bootstrap)) lines.push(`  plugin    ${plugin.name} (${codeOf(plugin)})`);
  const port = listeners[0]?.port ?? 10_000;
  lines.push(
    '',
    `  try       curl -i localhost:${port}/headers`,
    `            curl -i localhost:${port}/status/418`,
    `            curl localhost:${admin?.portValue ?? 9901}/clusters`,
    '  yours     bin/dragoman-gateway -c envoy.yaml',
    '  stop      Ctrl-C',
    '',
  );
  return `${lines.join('\n')}\n`;
}
