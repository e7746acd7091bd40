// A plugin's configuration as a worker needs it: with the node's settings for it, and with what the main thread has
// prepared among the configuration's attachments.

import type { Node } from '@dragoman/config';
import { type CompiledCode, NODE_ATTACHMENT } from './attachments.ts';
import type { PluginFiles } from './plugin-files.ts';
import { readPluginHostSettings } from './plugin-host-settings.ts';
import { readPluginLimits } from './plugin-limits.ts';
import { type PluginSettings, readPluginConfig, type WasmPluginConfig } from './plugin-settings.ts';

export interface WorkerPlugin {
  readonly settings: PluginSettings;
  /** Undefined where the code did not load. */
  readonly code: CompiledCode | undefined;
  readonly node: Node | undefined;
}

export function readWorkerPlugin(
  config: WasmPluginConfig,
  attachments: ReadonlyMap<string, unknown>,
): WorkerPlugin {
  const node = attachments.get(NODE_ATTACHMENT) as Node | undefined;
  const { name } = config;
  const read = readPluginConfig(config, readPluginLimits(node)(name), readPluginHostSettings(node)(name));
  const files = attachments.get(read.filesKey) as PluginFiles | undefined;
  const settings = files === undefined ? read : withFiles(read, files);
  return { settings, code: attachments.get(settings.codeKey) as CompiledCode | undefined, node };
}

export const withFiles = (settings: PluginSettings, files: PluginFiles): PluginSettings => ({
  ...settings,
  filesSha256: files.sha256,
  vm: { ...settings.vm, files: files.contents },
});
