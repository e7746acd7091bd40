// What of the overload manager is implemented, and the mistakes only it can see. Given to loadBootstrap; main thread only.

import type { OverloadManager, ReportMistake, SupportDeclaration } from '@dragoman/config';
import { OVERLOAD_ACTIONS } from './overload-state.ts';

const OVERLOAD = 'envoy.config.overload.v3';
const MONITORS = 'envoy.extensions.resource_monitors';
const TIMERS = `${OVERLOAD}.ScaleTimersOverloadActionConfig`;

/** Support declaration of this folder. */
export const overloadSupport: SupportDeclaration = {
  fields: {
    'envoy.config.bootstrap.v3.Bootstrap': ['overload_manager'],
    [`${OVERLOAD}.OverloadManager`]: ['refresh_interval', 'resource_monitors', 'actions'],
    [`${OVERLOAD}.ResourceMonitor`]: '*',
    [`${OVERLOAD}.OverloadAction`]: [`name=${OVERLOAD_ACTIONS.join(',')}`, 'triggers', 'typed_config'],
    [`${OVERLOAD}.Trigger`]: '*',
    [`${OVERLOAD}.ThresholdTrigger`]: '*',
    [`${OVERLOAD}.ScaledTrigger`]: '*',
    [TIMERS]: '*',
    [`${TIMERS}.ScaleTimer`]: [
      'timer=HTTP_DOWNSTREAM_CONNECTION_IDLE,HTTP_DOWNSTREAM_STREAM_IDLE',
      'min_timeout',
      'min_scale',
    ],
    [`${MONITORS}.fixed_heap.v3.FixedHeapConfig`]: '*',
    [`${MONITORS}.cgroup_memory.v3.CgroupMemoryConfig`]: '*',
    [`${MONITORS}.cpu_utilization.v3.CpuUtilizationConfig`]: ['mode=HOST'],
    [`${MONITORS}.injected_resource.v3.InjectedResourceConfig`]: '*',
    [`${MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig`]: '*',
  },
  extensions: {
    'envoy.overload_actions': { [TIMERS]: ['envoy.overload_actions.reduce_timeouts'] },
    'envoy.resource_monitors': {
      [`${MONITORS}.fixed_heap.v3.FixedHeapConfig`]: ['envoy.resource_monitors.fixed_heap'],
      [`${MONITORS}.cgroup_memory.v3.CgroupMemoryConfig`]: ['envoy.resource_monitors.cgroup_memory'],
      [`${MONITORS}.cpu_utilization.v3.CpuUtilizationConfig`]: ['envoy.resource_monitors.cpu_utilization'],
      [`${MONITORS}.injected_resource.v3.InjectedResourceConfig`]: [
        'envoy.resource_monitors.injected_resource',
      ],
      [`${MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig`]: [
        'envoy.resource_monitors.global_downstream_max_connections',
      ],
    },
  },
  checks: { [`${OVERLOAD}.OverloadManager`]: checkOverloadManager },
};

function checkOverloadManager(config: OverloadManager, report: ReportMistake): void {
  const monitors = new Set<string>();
  config.resourceMonitors.forEach(({ name }, i) => {
    if (monitors.has(name)) report(['resource_monitors', i, 'name'], `Duplicate resource monitor ${name}`);
    monitors.add(name);
  });
  const actions = new Set<string>();
  config.actions.forEach(({ name, triggers, typedConfig }, i) => {
    const at = ['actions', i] as const;
    if (actions.has(name)) report([...at, 'name'], `Duplicate overload action ${name}`);
    actions.add(name);
    if (name === 'envoy.overload_actions.reduce_timeouts' && typedConfig === undefined)
      report(
        [...at, 'typed_config'],
        `Overload action "${name}" requires typed_config with timer_scale_factors`,
      );
    triggers.forEach((trigger, j) => {
      if (!monitors.has(trigger.name))
        report(
          [...at, 'triggers', j, 'name'],
          `Unknown trigger resource ${trigger.name} for overload action ${name}`,
        );
      const { scaled } = trigger;
      if (scaled !== undefined && scaled.scalingThreshold >= scaled.saturationThreshold)
        report([...at, 'triggers', j, 'scaled'], 'scaling_threshold must be less than saturation_threshold');
    });
  });
}
