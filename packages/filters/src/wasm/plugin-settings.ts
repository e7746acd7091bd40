// What a PluginConfig says, checked and brought into the form the host works with. Pure; runs on the main thread (to
// check and prepare) and on every worker.

import { createHash } from 'node:crypto';
import type { AbiVersion } from '@dragoman/abi';
import type { Any, DataSource, PluginConfig, VmConfig } from '@dragoman/config';
import type { VmOptions } from '@dragoman/vm';
import { configurationBytes } from './configuration-bytes.ts';
import { filesKey } from './plugin-files.ts';
import type { PluginHostSettings } from './plugin-host-settings.ts';
import { type PluginLimits, readPluginLimits } from './plugin-limits.ts';

/** Fields of the newest PluginConfig besides those every schema has. */
export type WasmPluginConfig = PluginConfig & {
  readonly failurePolicy?: FailurePolicyName;
  readonly reloadConfig?: {
    readonly backoff?: { readonly baseInterval?: number; readonly maxInterval?: number };
  };
  readonly allowOnHeadersStopIteration?: boolean;
};

export type FailurePolicyName = 'UNSPECIFIED' | 'FAIL_RELOAD' | 'FAIL_CLOSED' | 'FAIL_OPEN';

/** Every configuration of a place where plugins run. */
export interface PluginHolder {
  readonly config?: unknown;
}

/** What becomes of requests once a VM has died. */
export type FailurePolicy = 'reload' | 'closed' | 'open';

const DEFAULT_RUNTIME = 'envoy.wasm.runtime.v8';
const RUNTIMES: ReadonlySet<string> = new Set([
  '',
  DEFAULT_RUNTIME,
  'envoy.wasm.runtime.wasmtime',
  'envoy.wasm.runtime.wamr',
  'envoy.wasm.runtime.wavm',
]);
const DEFAULT_RELOAD_BACKOFF_MS = 1000;

/** Everything about one plugin that workers need, besides its code. */
export interface PluginSettings {
  readonly name: string;
  readonly rootId: string;
  readonly configuration: Buffer;
  /** Configured name, for statistics. */
  readonly runtime: string;
  readonly vm: VmOptions & { readonly vmId: string; readonly vmConfiguration: Buffer };
  readonly limits: PluginLimits;
  readonly abiVersion: AbiVersion | undefined;
  /** Paths of files on the machine by those in the guest, and the key of their contents among the attachments. */
  readonly files: Readonly<Record<string, string>>;
  readonly filesKey: string;
  /** Set once the contents are in `vm.files`. */
  readonly filesSha256?: string;
  /** Key of the compiled code among a configuration's attachments. */
  readonly codeKey: string;
  readonly failurePolicy: FailurePolicy;
  /** False for remote code: as in Envoy, requests are answered by the failure policy where it cannot be had. */
  readonly refuseWithoutCode: boolean;
  /** FAIL_RELOAD was said: what stands in after a failure is replaced after the back-off, as Envoy's reload would be. */
  readonly renewAfterBackoff: boolean;
  /** First and longest wait between tries to start a plugin that does not start. */
  readonly reloadBackoffMs: number;
  readonly reloadMaxBackoffMs: number;
  readonly allowOnHeadersStopIteration: boolean;
}

/** The settings of a plugin whose configuration checkPluginConfig() has found nothing wrong with. */
export function readPluginConfig(
  config: WasmPluginConfig,
  limits: PluginLimits = readPluginLimits(undefined)(config.name),
  { abiVersion, files = {}, sanitization, strictImports }: PluginHostSettings = {},
): PluginSettings {
  const vmConfig = config.vmConfig as VmConfig;
  const backoff = config.reloadConfig?.backoff;
  const base = backoff?.baseInterval ?? DEFAULT_RELOAD_BACKOFF_MS;
  const capabilities = Object.keys(config.capabilityRestrictionConfig?.allowedCapabilities ?? {});
  return {
    name: config.name,
    rootId: config.rootId,
    configuration: configurationBytes(config.configuration as Any | undefined),
    runtime: vmConfig.runtime === '' ? DEFAULT_RUNTIME : vmConfig.runtime,
    vm: {
      vmId: vmConfig.vmId,
      vmConfiguration: configurationBytes(vmConfig.configuration as Any | undefined),
      environment: environmentOf(vmConfig),
      allowedCapabilities: new Set(capabilities),
      deadlines: limits.deadlines,
      maxMemoryPages: limits.memoryCapPages,
      ...(sanitization && { sanitization }),
      ...(strictImports && { strictImports }),
    },
    limits,
    abiVersion,
    files,
    filesKey: filesKey(files),
    codeKey: [
      codeKey(vmConfig),
      ...(limits.limited ? [] : ['unlimited']),
      ...(abiVersion === undefined ? [] : [abiVersion]),
    ].join(':'),
    failurePolicy: failurePolicyOf(config),
    refuseWithoutCode: vmConfig.code?.remote === undefined || vmConfig.nackOnCodeCacheMiss,
    renewAfterBackoff: config.failurePolicy === 'FAIL_RELOAD',
    reloadBackoffMs: base,
    reloadMaxBackoffMs: Math.max(base, backoff?.maxInterval ?? 10 * base),
    allowOnHeadersStopIteration: config.allowOnHeadersStopIteration ?? false,
  };
}

/** An unspecified policy recovers; FAIL_CLOSED is for ever only when it is said. */
function failurePolicyOf(config: WasmPluginConfig): FailurePolicy {
  if (config.failOpen || config.failurePolicy === 'FAIL_OPEN') return 'open';
  return config.failurePolicy === 'FAIL_CLOSED' ? 'closed' : 'reload';
}

/** S101: variables of the process that are named, then literal ones. */
function environmentOf(vmConfig: VmConfig): Map<string, string> {
  const environment = new Map<string, string>();
  const { hostEnvKeys = [], keyValues = {} } = vmConfig.environmentVariables ?? {};
  for (const key of hostEnvKeys) {
    const value = process.env[key];
    if (value !== undefined) environment.set(key, value);
  }
  for (const [key, value] of Object.entries(keyValues)) environment.set(key, value);
  return environment;
}

/** The same code has the same key on the main thread, which compiles it, and on the workers, which look it up. */
function codeKey(vmConfig: VmConfig): string {
  const { local, remote } = vmConfig.code ?? {};
  if (remote !== undefined) return `wasm:sha256:${remote.sha256}`;
  const source = local as DataSource;
  if (source.filename !== undefined) return `wasm:file:${source.filename}`;
  if (source.environmentVariable !== undefined) return `wasm:environment:${source.environmentVariable}`;
  const inline = source.inlineBytes ?? source.inlineString ?? '';
  return `wasm:inline:${createHash('sha256').update(inline).digest('hex')}`;
}

/** Everything that changes what a guest is or may do: plugins with the same key share a VM on each worker (S100). */
export function vmKey(settings: PluginSettings, codeSha256: string): string {
  const { vm } = settings;
  return JSON.stringify([
    codeSha256,
    vm.vmId,
    vm.vmConfiguration.toString('base64'),
    [...(vm.allowedCapabilities ?? [])].sort(),
    [...(vm.environment ?? [])].sort(),
    settings.limits,
    [settings.abiVersion, vm.strictImports, settings.filesSha256, vm.sanitization],
  ]);
}

/** Plugins of one VM with the same key share a root context. */
export function pluginKey(settings: PluginSettings): string {
  const { name, rootId, configuration, allowOnHeadersStopIteration } = settings;
  return JSON.stringify([name, rootId, configuration.toString('base64'), allowOnHeadersStopIteration]);
}

/** Reports what the schema cannot know to be wrong; `report` takes a path inside the PluginConfig. */
export function checkPluginConfig(
  config: WasmPluginConfig | undefined,
  report: (path: string, message: string) => void,
): void {
  const vmConfig = config?.vmConfig;
  if (config === undefined || vmConfig === undefined) {
    report('vm_config', 'a plugin needs a vm_config with the code to run');
    return;
  }
  const { code } = vmConfig;
  if (code?.local === undefined && code?.remote === undefined) {
    report('vm_config.code', 'a plugin needs its code: local or remote');
  } else if (code.remote !== undefined && code.remote.sha256 === '') {
    report('vm_config.code.remote.sha256', 'remote code needs its sha256');
  }
  if (!RUNTIMES.has(vmConfig.runtime)) {
    report('vm_config.runtime', `no such Wasm runtime: ${vmConfig.runtime} (there is ${DEFAULT_RUNTIME})`);
  }
  if (config.failOpen && config.failurePolicy !== undefined && config.failurePolicy !== 'UNSPECIFIED') {
    report('fail_open', 'only one of fail_open and failure_policy can be set');
  }
  checkEnvironment(vmConfig, report);
}

/** The same for a configuration that holds a PluginConfig in `config`, as all places where plugins run have. */
export function checkHeldPlugin(holder: PluginHolder, report: (path: string, message: string) => void): void {
  checkPluginConfig(holder.config as WasmPluginConfig | undefined, (path, message) =>
    report(`config.${path}`, message),
  );
}

function checkEnvironment(vmConfig: VmConfig, report: (path: string, message: string) => void): void {
  const { hostEnvKeys = [], keyValues = {} } = vmConfig.environmentVariables ?? {};
  const seen = new Set<string>();
  for (const key of hostEnvKeys) {
    if (seen.has(key) || Object.hasOwn(keyValues, key)) {
      report('vm_config.environment_variables', `the variable ${key} is given twice`);
    }
    seen.add(key);
  }
}
