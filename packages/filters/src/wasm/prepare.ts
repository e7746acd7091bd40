// The main thread's part in Wasm plugins: finds them in a configuration, reads and compiles each code once, and can try
// to start each plugin before any worker sees it. Workers get compiled modules as attachments.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { assert, type Clock, type Logger, silentLogger, systemClock } from '@dragoman/base';
import type { Bootstrap, DataSource, RemoteDataSource, VmConfig } from '@dragoman/config';
import { SharedTotals, type StatLane } from '@dragoman/shm';
import {
  type CheckOptions,
  compileModule,
  type Guard,
  localHost,
  ModuleLimitsError,
  PluginStartError,
  Vm,
} from '@dragoman/vm';
import {
  type CompiledCode,
  METRIC_TOTALS_ATTACHMENT,
  NODE_ATTACHMENT,
  SHARED_STATE_ATTACHMENT,
} from './attachments.ts';
import { type PluginFiles, readPluginFiles } from './plugin-files.ts';
import { readPluginHostSettings } from './plugin-host-settings.ts';
import { readPluginLimits } from './plugin-limits.ts';
import {
  checkPluginConfig,
  type PluginSettings,
  readPluginConfig,
  vmKey,
  type WasmPluginConfig,
} from './plugin-settings.ts';
import { rootProperty } from './root-properties.ts';
import { checkDragomanSections } from './settings-section.ts';
import { sharedStateMemory } from './shared-state.ts';
import { readSharedStateSettings } from './shared-state-settings.ts';
import { LOG_LEVEL_OF_GUEST, type RootProperties } from './worker-host.ts';
import { withFiles } from './worker-plugin.ts';

export interface PrepareOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** The main thread's statistics. */
  readonly lane?: StatLane;
  /**
   * Start every plugin on the calling thread and throw the result away, as Envoy's canary does: a plugin that does not
   * start is an error here. Without it the workers' own start reports the same failure, and nothing is started twice.
   */
  readonly canary?: boolean;
  /** A plugin that does not load or start is an error also where it is to fail open. */
  readonly everyStartCounts?: boolean;
  /** The calling thread's guard, for canaries: a plugin that does not end is stopped where a watchdog looks after it. */
  readonly guard?: Guard;
  /** Fetches remote code, and only plugins with such code are prepared; without it they are left for later. */
  readonly fetchCode?: (source: RemoteDataSource) => Promise<Uint8Array>;
  /** Code compiled for an earlier version of the configuration, to be used again where the bytes are the same. */
  readonly previous?: ReadonlyMap<string, unknown>;
}

/** The local files that plugins of a configuration have their code from. */
export function pluginCodeFiles(bootstrap: object): string[] {
  const files = findPlugins(bootstrap).map(plugin => plugin.vmConfig?.code?.local?.filename);
  return [...new Set(files.filter(file => file !== undefined))];
}

/** Compiled code by its key among the attachments. */
export type CodeByKey = ReadonlyMap<string, CompiledCode>;

/** The code in `attachments` that is not that of `previous`, by its key. */
export function changedCode(
  attachments: ReadonlyMap<string, unknown>,
  previous: ReadonlyMap<string, unknown>,
): CodeByKey {
  const changed = new Map<string, CompiledCode>();
  for (const [key, value] of attachments) {
    if (!key.startsWith('wasm:file:')) continue;
    const code = value as CompiledCode;
    if ((previous.get(key) as CompiledCode | undefined)?.sha256 !== code.sha256) changed.set(key, code);
  }
  return changed;
}

export interface PreparedPlugins {
  readonly attachments: Map<string, unknown>;
  /** Complete lines, each naming plugin, root id and reason. */
  readonly errors: string[];
  /** Plugins that do not load but are to fail open. */
  readonly warnings: string[];
}

/** Full names of the configurations that hold a PluginConfig in `config`. */
const PLUGIN_HOLDERS: ReadonlySet<string> = new Set([
  'envoy.extensions.filters.http.wasm.v3.Wasm',
  'envoy.extensions.filters.network.wasm.v3.Wasm',
  'envoy.extensions.access_loggers.wasm.v3.WasmAccessLog',
  'envoy.extensions.stat_sinks.wasm.v3.Wasm',
  'envoy.extensions.wasm.v3.WasmService',
]);

/** Reads and compiles the code of every plugin of a decoded bootstrap (or of any part of a configuration). */
export async function prepareWasmPlugins(
  bootstrap: Pick<Bootstrap, 'node'> | object,
  options: PrepareOptions = {},
): Promise<PreparedPlugins> {
  const prepared: PreparedPlugins = { attachments: new Map(), errors: [], warnings: [] };
  const remote = options.fetchCode !== undefined;
  const plugins = findPlugins(bootstrap).filter(
    plugin => isComplete(plugin, prepared) && isRemote(plugin) === remote,
  );
  if (plugins.length === 0) return prepared;
  const { node } = bootstrap as Partial<Bootstrap>;
  const note = (path: string, message: string) => void prepared.errors.push(`${path}: ${message}`);
  const limitsOf = readPluginLimits(node, note);
  const hostSettingsOf = readPluginHostSettings(node, note);
  checkDragomanSections(node, note);
  if (node !== undefined) prepared.attachments.set(NODE_ATTACHMENT, node);
  const vmIds = plugins.map(({ vmConfig }) => vmConfig?.vmId ?? '');
  const sharedState = sharedStateMemory(options.previous, readSharedStateSettings(node, note), vmIds);
  prepared.attachments.set(SHARED_STATE_ATTACHMENT, sharedState);
  const totals = options.previous?.get(METRIC_TOTALS_ATTACHMENT) ?? SharedTotals.create();
  prepared.attachments.set(METRIC_TOTALS_ATTACHMENT, totals);
  const codes = new Map<string, Promise<CompiledCode>>();
  const bySha256 = new Map<string, Promise<CompiledCode>>();
  const counted = new Set<string>();
  for (const plugin of plugins) {
    let settings = readPluginConfig(plugin, limitsOf(plugin.name), hostSettingsOf(plugin.name));
    let code = codes.get(settings.codeKey);
    if (code === undefined) {
      code = loadCode(plugin.vmConfig as VmConfig, settings, bySha256, options);
      codes.set(settings.codeKey, code);
    }
    try {
      const compiled = await code;
      checkLimits(settings, compiled, prepared);
      settings = await loadFiles(settings, prepared);
      prepared.attachments.set(settings.codeKey, compiled);
      countVms(settings, compiled, counted, options);
      if (options.canary) startCanary(settings, compiled, path => rootProperty(node, path), options);
    } catch (error) {
      report(prepared, settings, error as Error, options);
    }
  }
  return prepared;
}

const isRemote = (plugin: WasmPluginConfig): boolean => plugin.vmConfig?.code?.remote !== undefined;

/** True when some plugin's code has to be fetched before workers start. */
export const hasRemotePlugins = (bootstrap: object): boolean => findPlugins(bootstrap).some(isRemote);

/** Every PluginConfig below `value`, wherever an Any may stand. */
function findPlugins(value: unknown, found: WasmPluginConfig[] = []): WasmPluginConfig[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found;
  if (Array.isArray(value)) {
    for (const item of value) findPlugins(item, found);
    return found;
  }
  const { typeName, value: inner } = value as { typeName?: unknown; value?: { config?: unknown } };
  if (typeof typeName === 'string' && PLUGIN_HOLDERS.has(typeName)) {
    if (inner?.config !== undefined) found.push(inner.config as WasmPluginConfig);
    return found;
  }
  for (const item of Object.values(value)) findPlugins(item, found);
  return found;
}

function isComplete(plugin: WasmPluginConfig, prepared: PreparedPlugins): boolean {
  const before = prepared.errors.length;
  checkPluginConfig(plugin, (path, message) =>
    prepared.errors.push(`plugin ${plugin.name}: ${path}: ${message}`),
  );
  return prepared.errors.length === before;
}

/** The settings with the contents of the plugin's files. Throws PluginStartError. */
async function loadFiles(settings: PluginSettings, prepared: PreparedPlugins): Promise<PluginSettings> {
  if (Object.keys(settings.files).length === 0) return settings;
  const { attachments } = prepared;
  const known = attachments.get(settings.filesKey) as PluginFiles | undefined;
  const files = known ?? (await readPluginFiles(settings.files));
  attachments.set(settings.filesKey, files);
  return withFiles(settings, files);
}

async function loadCode(
  vmConfig: VmConfig,
  { abiVersion, codeKey, limits }: PluginSettings,
  bySha256: Map<string, Promise<CompiledCode>>,
  options: PrepareOptions,
): Promise<CompiledCode> {
  const bytes = await readCode(vmConfig, options);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const wanted = vmConfig.code?.remote?.sha256;
  if (wanted !== undefined && wanted.toLowerCase() !== sha256) {
    throw new PluginStartError(`remote code has the sha256 ${sha256}, the configuration says ${wanted}`);
  }
  const previous = options.previous?.get(codeKey) as CompiledCode | undefined;
  if (previous?.sha256 === sha256) return previous;
  const form = `${sha256} ${limits.limited} ${abiVersion}`;
  const checks = abiVersion === undefined ? {} : { abiVersion };
  let compiled = bySha256.get(form);
  if (compiled === undefined) {
    compiled = limits.limited
      ? compileLimited(bytes, sha256, checks)
      : compileModule(bytes, checks).then(module => ({ ...module, sha256 }));
    bySha256.set(form, compiled);
  }
  return compiled;
}

/** Code that cannot be limited is compiled as it is; whether it may run is for checkLimits to say. */
async function compileLimited(
  bytes: Uint8Array,
  sha256: string,
  checks: CheckOptions,
): Promise<CompiledCode> {
  try {
    return { ...(await compileModule(bytes, { ...checks, limited: true })), sha256 };
  } catch (error) {
    if (!(error instanceof ModuleLimitsError)) throw error;
    return { ...(await compileModule(bytes, checks)), sha256, unlimitedBecause: error.message };
  }
}

/** Throws PluginStartError where limits are demanded that the code cannot have; warns where they are only the default. */
function checkLimits({ name, limits }: PluginSettings, code: CompiledCode, prepared: PreparedPlugins): void {
  if (code.unlimitedBecause === undefined) return;
  const fact = `its time and memory cannot be limited: ${code.unlimitedBecause}`;
  if (limits.demanded) throw new PluginStartError(fact);
  prepared.warnings.push(`plugin ${name} runs without limits, ${fact}`);
}

async function readCode(vmConfig: VmConfig, options: PrepareOptions): Promise<Uint8Array> {
  const { local, remote } = vmConfig.code ?? {};
  if (remote !== undefined) {
    assert(options.fetchCode !== undefined, 'plugins with remote code are left for later');
    return options.fetchCode(remote);
  }
  const { filename, environmentVariable, inlineBytes, inlineString } = local as DataSource;
  if (filename !== undefined) return readCodeFile(filename);
  if (inlineBytes !== undefined) return inlineBytes;
  if (inlineString !== undefined) return Buffer.from(inlineString, 'latin1');
  const value = process.env[environmentVariable ?? ''];
  if (value === undefined)
    throw new PluginStartError(`the environment variable ${environmentVariable} is not set`);
  return Buffer.from(value, 'latin1');
}

async function readCodeFile(filename: string): Promise<Uint8Array> {
  try {
    return await readFile(filename);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const fact = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a directory' : message;
    throw new PluginStartError(`cannot read the code ${filename}: ${fact}`, { cause });
  }
}

/**
 * Envoy counts, besides the workers' VMs, the one it clones them from, a canary, and one on its main thread; of these all
 * but the canary stay. Here a compiled module and the main thread stand for them, so that dashboards agree.
 */
function countVms(
  settings: PluginSettings,
  code: CompiledCode,
  counted: Set<string>,
  options: PrepareOptions,
): void {
  const { lane } = options;
  const key = vmKey(settings, code.sha256);
  if (lane === undefined || counted.has(key)) return;
  counted.add(key);
  lane.add(lane.counter(`wasm.${settings.runtime}.created`), 3);
  lane.gaugeAdd(lane.gauge(`wasm.${settings.runtime}.active`), 2);
  lane.gaugeAdd(lane.gauge('wasm.wasm_vm_count'), 2);
}

/** Throws PluginStartError. The plugin's call-outs go nowhere and its shared data is its own. */
function startCanary(
  settings: PluginSettings,
  code: CompiledCode,
  rootProperties: RootProperties,
  options: PrepareOptions,
): void {
  const logger = options.logger ?? silentLogger;
  const unanswered = { cancel: () => {}, send: () => {}, close: () => {} };
  const host = localHost({
    clock: options.clock ?? systemClock,
    log: (level, line) => logger.log(LOG_LEVEL_OF_GUEST[level], 'wasm', line),
    httpCall: () => unanswered,
    grpcCall: () => unanswered,
    grpcStream: () => unanswered,
    getProperty: (_root, path) => rootProperties(path),
  });
  const { guard } = options;
  const vm = Vm.start(code, guard === undefined ? host : { ...host, guard }, settings.vm);
  try {
    vm.startRoot(settings);
  } finally {
    vm.discard();
  }
}

/** Envoy's words, and what it does not say: root id and reason. */
function report(
  prepared: PreparedPlugins,
  settings: PluginSettings,
  error: Error,
  { logger = silentLogger, everyStartCounts = false }: PrepareOptions,
): void {
  const { name, rootId, failurePolicy, refuseWithoutCode } = settings;
  logger.log('error', 'wasm', `Plugin ${name} failed to load: ${error.message}`);
  const line = `Unable to create Wasm plugin ${name} (root id "${rootId}"): ${error.message}`;
  if (!everyStartCounts && (failurePolicy === 'open' || !refuseWithoutCode)) prepared.warnings.push(line);
  else prepared.errors.push(line);
}
