// The overload manager: asks the monitors, decides how far each action is on, and writes it where the workers look.
// Main thread only.

import type { Clock, Logger } from '@dragoman/base';
import type { OverloadAction, OverloadManager as OverloadManagerConfig, Trigger } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import { type OVERLOAD_ACTIONS, OverloadState } from './overload-state.ts';
import { createMonitor, type ResourceMonitor } from './resource-monitors.ts';

const DEFAULT_REFRESH_MS = 1000;
/** As often as this, memory is given back while `shrink_heap` is on. */
const SHRINK_INTERVAL_MS = 10_000;

export interface OverloadManagerOptions {
  readonly lane: StatLane;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of OverloadState. */
  readonly memory: SharedArrayBuffer;
  /** Asks all threads to give memory back. */
  readonly shrinkHeap: () => void;
}

interface Watched {
  readonly monitor: ResourceMonitor;
  readonly pressure: number;
  readonly failedUpdates: number;
}

interface Action {
  readonly name: (typeof OVERLOAD_ACTIONS)[number];
  readonly triggers: readonly Trigger[];
  readonly active: number;
  readonly scalePercent: number;
  scale: number;
}

export class OverloadManager {
  readonly #options: OverloadManagerOptions;
  readonly #refreshMs: number;
  readonly #watched: readonly Watched[];
  readonly #actions: readonly Action[];
  readonly #state: OverloadState;
  readonly #pressures = new Map<string, number>();
  readonly #delay: number;
  readonly #shrinkCount: number;
  #shrunkMs: number;
  #cancel: (() => void) | null = null;

  constructor(config: OverloadManagerConfig, options: OverloadManagerOptions) {
    const { lane } = options;
    this.#options = options;
    this.#shrunkMs = options.clock.nowMs();
    this.#refreshMs = config.refreshInterval ?? DEFAULT_REFRESH_MS;
    this.#state = new OverloadState(options.memory);
    const watched: Watched[] = [];
    for (const monitorConfig of config.resourceMonitors) {
      const prefix = `overload.${monitorConfig.name}.`;
      const pressure = lane.gauge(`${prefix}pressure`);
      const failedUpdates = lane.counter(`${prefix}failed_updates`);
      const monitor = createMonitor(monitorConfig);
      if (monitor === null) continue;
      lane.counter(`${prefix}skipped_updates`);
      watched.push({ monitor, pressure, failedUpdates });
    }
    this.#watched = watched;
    this.#actions = config.actions.map(action => compileAction(action, lane));
    this.#delay = lane.histogram('overload.refresh_interval_delay', 'ms');
    const shrinks = this.#actions.some(({ name }) => name === 'envoy.overload_actions.shrink_heap');
    this.#shrinkCount = shrinks
      ? lane.counter('overload.envoy.overload_actions.shrink_heap.shrink_count')
      : -1;
  }

  start(): void {
    this.refresh();
    this.#schedule();
  }

  close(): void {
    this.#cancel?.();
  }

  #schedule(): void {
    const { clock, lane } = this.#options;
    const dueMs = clock.nowMs() + this.#refreshMs;
    this.#cancel = clock.after(this.#refreshMs, () => {
      lane.record(this.#delay, Math.max(0, clock.nowMs() - dueMs));
      this.refresh();
      this.#schedule();
    });
  }

  /** Asks all monitors and sets all actions. */
  refresh(): void {
    const { lane, logger } = this.#options;
    for (const { monitor, pressure, failedUpdates } of this.#watched) {
      try {
        const value = monitor.read();
        this.#pressures.set(monitor.name, value);
        lane.gaugeSet(pressure, Math.floor(value * 100));
      } catch (error) {
        lane.inc(failedUpdates);
        logger.log('info', 'main', `resource monitor ${monitor.name}: ${(error as Error).message}`);
      }
    }
    for (const action of this.#actions) this.#apply(action);
  }

  #apply(action: Action): void {
    const { lane, logger } = this.#options;
    let scale = 0;
    for (const trigger of action.triggers)
      scale = Math.max(scale, triggered(trigger, this.#pressures.get(trigger.name) ?? 0));
    if (scale !== action.scale) {
      if (scale >= 1 || action.scale >= 1)
        logger.log(
          'info',
          'main',
          `overload action ${action.name} became ${scale >= 1 ? 'saturated' : 'scaling'}`,
        );
      action.scale = scale;
      this.#state.set(action.name, scale);
      lane.gaugeSet(action.active, scale >= 1 ? 1 : 0);
      lane.gaugeSet(action.scalePercent, Math.round(scale * 100));
    }
    if (scale > 0 && action.name === 'envoy.overload_actions.shrink_heap') this.#shrink();
  }

  #shrink(): void {
    const { clock, lane, shrinkHeap } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs - this.#shrunkMs < SHRINK_INTERVAL_MS) return;
    this.#shrunkMs = nowMs;
    lane.inc(this.#shrinkCount);
    shrinkHeap();
  }
}

function compileAction(config: OverloadAction, lane: StatLane): Action {
  const prefix = `overload.${config.name}.`;
  return {
    name: config.name as Action['name'],
    triggers: config.triggers,
    active: lane.gauge(`${prefix}active`),
    scalePercent: lane.gauge(`${prefix}scale_percent`),
    scale: 0,
  };
}

function triggered({ threshold, scaled }: Trigger, pressure: number): number {
  if (threshold !== undefined) return pressure >= threshold.value ? 1 : 0;
  if (scaled === undefined || pressure <= scaled.scalingThreshold) return 0;
  const { scalingThreshold: from, saturationThreshold: to } = scaled;
  return pressure >= to ? 1 : (pressure - from) / (to - from);
}
