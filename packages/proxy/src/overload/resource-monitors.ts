// Resource monitors of the overload manager: how much of a resource is used, between 0 and 1. Main thread only: the process
// is one for all workers.

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type {
  CgroupMemoryConfig,
  FixedHeapConfig,
  InjectedResourceConfig,
  ResourceMonitor as ResourceMonitorConfig,
} from '@dragoman/config';

/** Named as in the configuration; triggers refer to the name. */
export interface ResourceMonitor {
  readonly name: string;
  /** @throws Error when it cannot be told now. */
  read(): number;
}

const MONITORS = 'envoy.extensions.resource_monitors';

/** Null for a monitor that is asked elsewhere: connections are counted where they come. */
export function createMonitor({ name, typedConfig }: ResourceMonitorConfig): ResourceMonitor | null {
  switch (typedConfig?.typeName) {
    case `${MONITORS}.fixed_heap.v3.FixedHeapConfig`: {
      const maxBytes = (typedConfig.value as FixedHeapConfig).maxHeapSizeBytes;
      return { name, read: () => process.memoryUsage.rss() / maxBytes };
    }
    case `${MONITORS}.cgroup_memory.v3.CgroupMemoryConfig`:
      return cgroupMemory(name, (typedConfig.value as CgroupMemoryConfig).maxMemoryBytes);
    case `${MONITORS}.cpu_utilization.v3.CpuUtilizationConfig`:
      return new CpuUtilization(name);
    case `${MONITORS}.injected_resource.v3.InjectedResourceConfig`: {
      const { filename } = typedConfig.value as InjectedResourceConfig;
      return { name, read: () => readNumber(filename) };
    }
    default:
      return null;
  }
}

function readNumber(file: string): number {
  const text = readFileSync(file, 'utf8').trim();
  const value = Number(text);
  if (text === '' || !Number.isFinite(value))
    throw new Error(`${file}: ${JSON.stringify(text)} is no number`);
  return value;
}

/** cgroup v2, then v1. "max" and the huge number of v1 say that there is no limit. */
const CGROUP_FILES: readonly (readonly [used: string, limit: string])[] = [
  ['/sys/fs/cgroup/memory.current', '/sys/fs/cgroup/memory.max'],
  ['/sys/fs/cgroup/memory/memory.usage_in_bytes', '/sys/fs/cgroup/memory/memory.limit_in_bytes'],
];

function cgroupMemory(name: string, maxBytes: number): ResourceMonitor {
  const configured = maxBytes > 0 ? maxBytes : Number.POSITIVE_INFINITY;
  const read = (): number => {
    for (const [used, limit] of CGROUP_FILES) {
      const usedBytes = attempt(() => readNumber(used));
      if (usedBytes === null) continue;
      const limitBytes = Math.min(configured, attempt(() => readNumber(limit)) ?? Number.POSITIVE_INFINITY);
      return usedBytes / limitBytes;
    }
    throw new Error('no cgroup tells its memory');
  };
  return { name, read };
}

function attempt(read: () => number): number | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Weight of the newest sample, so that one busy moment is no overload. */
const DAMPENING = 0.05;

/** The machine's processors: the share of time since the last look in which they were not idle. */
class CpuUtilization implements ResourceMonitor {
  readonly name: string;
  #idle = 0;
  #total = 0;
  #utilization = 0;

  constructor(name: string) {
    this.name = name;
    this.#sample();
  }

  read(): number {
    const current = this.#sample();
    this.#utilization = current * DAMPENING + this.#utilization * (1 - DAMPENING);
    return this.#utilization;
  }

  #sample(): number {
    let idle = 0;
    let total = 0;
    for (const { times } of cpus()) {
      idle += times.idle;
      total += times.user + times.nice + times.sys + times.irq + times.idle;
    }
    const passed = total - this.#total;
    const busy = passed <= 0 ? 0 : 1 - (idle - this.#idle) / passed;
    this.#idle = idle;
    this.#total = total;
    return busy;
  }
}
