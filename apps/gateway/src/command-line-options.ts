// The settings under the names that /server_info has for them. Only those that differ from Envoy's defaults matter.

import { type Json, toProtoJson } from '@dragoman/config';
import type { Settings } from './command-line.ts';

const MODES = { serve: 'Serve', validate: 'Validate', init_only: 'InitOnly' } as const;

const duration = (ms: number): Json => toProtoJson('google.protobuf.Duration', ms as never);

export function commandLineOptions(settings: Settings): Record<string, Json> {
  const components = [...settings.componentLogLevels].map(([component, level]) => `${component}:${level}`);
  return {
    concurrency: settings.concurrency,
    config_path: settings.configPath ?? '',
    config_yaml: settings.configYaml ?? '',
    allow_unknown_static_fields: settings.allowUnknownStaticFields,
    reject_unknown_dynamic_fields: settings.rejectUnknownDynamicFields,
    ignore_unknown_dynamic_fields: settings.ignoreUnknownDynamicFields,
    admin_address_path: settings.adminAddressPath ?? '',
    log_level: settings.logLevel,
    component_log_level: components.join(','),
    log_format: settings.logFormat,
    log_format_escaped: settings.logFormatEscaped,
    log_path: settings.logPath ?? '',
    service_cluster: settings.serviceCluster,
    service_node: settings.serviceNode,
    service_zone: settings.serviceZone,
    file_flush_interval: duration(settings.fileFlushIntervalMs),
    drain_time: duration(settings.drainTimeMs),
    drain_strategy: settings.drainStrategy === 'gradual' ? 'Gradual' : 'Immediate',
    parent_shutdown_time: duration(settings.parentShutdownTimeMs),
    mode: MODES[settings.mode],
  };
}
