// Metrics a plugin defines (ABI reference 7.4). The ids a guest sees are per VM; their low two bits say the type.

import { MAX_METRIC_TYPE, MetricType, Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const metricCalls = (vm: Vm): HostFunctions => {
  const ids = new MetricIds();
  return {
    proxy_define_metric: (type: number, name: number, nameSize: number, result: number) =>
      defineMetric(vm, ids, type, name >>> 0, nameSize >>> 0, result >>> 0),
    proxy_increment_metric: (id: number, offset: bigint) =>
      incrementMetric(vm, ids, id >>> 0, Number(offset)),
    proxy_record_metric: (id: number, value: bigint) =>
      recordMetric(vm, ids, id >>> 0, Number(BigInt.asUintN(64, value))),
    proxy_get_metric: (id: number, result: number) => getMetric(vm, ids, id >>> 0, result >>> 0),
  };
};

/** A guest may define metrics, not fill the host's memory with them. */
const MAX_METRICS_PER_VM = 10_000;

/** Handles of the embedder by the guest's ids: 4, 8, ... counters; 5, 9, ... gauges; 6, 10, ... histograms. */
class MetricIds {
  readonly #handles = new Map<number, number>();
  readonly #next = [4, 5, 6];

  get full(): boolean {
    return this.#handles.size >= MAX_METRICS_PER_VM;
  }

  add(type: number, handle: number): number {
    const id = this.#next[type];
    this.#next[type] = id + 4;
    this.#handles.set(id, handle);
    return id;
  }

  handle(id: number): number | undefined {
    return this.#handles.get(id);
  }
}

const typeOf = (id: number): number => id & 3;

function defineMetric(
  vm: Vm,
  ids: MetricIds,
  type: number,
  name: number,
  nameSize: number,
  result: number,
): Status {
  if (type < 0 || type > MAX_METRIC_TYPE) return Status.BadArgument;
  const { memory } = vm;
  if (!memory.fits(name, nameSize) || !memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  if (ids.full) return Status.InternalFailure;
  const handle = vm.host.metrics.define(type as MetricType, memory.utf8(name, nameSize));
  if (handle < 0) return Status.InternalFailure;
  memory.setUint32(result, ids.add(type, handle));
  return Status.Ok;
}

function incrementMetric(vm: Vm, ids: MetricIds, id: number, offset: number): Status {
  const type = typeOf(id);
  if (type === 3) return Status.BadArgument;
  const handle = ids.handle(id);
  if (handle === undefined) return Status.NotFound;
  if (type === MetricType.Histogram || (type === MetricType.Counter && offset <= 0))
    return Status.BadArgument;
  vm.host.metrics.add(handle, offset);
  return Status.Ok;
}

function recordMetric(vm: Vm, ids: MetricIds, id: number, value: number): Status {
  const handle = ids.handle(id);
  if (handle === undefined) return Status.NotFound;
  // For a counter "record" adds, as in Envoy.
  if (typeOf(id) === MetricType.Counter) vm.host.metrics.add(handle, value);
  else vm.host.metrics.record(handle, value);
  return Status.Ok;
}

function getMetric(vm: Vm, ids: MetricIds, id: number, result: number): Status {
  if (!vm.memory.fits(result, 8)) return Status.InvalidMemoryAccess;
  const type = typeOf(id);
  if (type === 3) return Status.BadArgument;
  const handle = ids.handle(id);
  if (handle === undefined) return Status.NotFound;
  if (type === MetricType.Histogram) return Status.BadArgument;
  vm.memory.setUint64(result, BigInt.asUintN(64, BigInt(Math.trunc(vm.host.metrics.get(handle)))));
  return Status.Ok;
}
