// What one plugin's life on a worker leaves in the statistics. Envoy's own names stand under "wasm.", those it has no name
// for under "dragoman.plugin."; failures appear there with the first of their kind.

import type { StatLane } from '@dragoman/shm';
import type { FailureCause } from '@dragoman/vm';

/** Why an instance was replaced though nothing was wrong with it. */
export type RecycleReason = 'memory' | 'requests' | 'age' | 'reload' | 'code';

/** Statistics of all plugins of that name. */
export class PluginStats {
  readonly lane: StatLane;
  readonly reload: number;
  readonly reloadBackoff: number;
  readonly reloadSuccess: number;
  readonly reloadFailure: number;
  /** Instances that can be entered, of all workers together. */
  readonly instances: number;
  /** Workers on which the plugin waits for its next try to start. */
  readonly backingOff: number;
  readonly memoryBytes: number;
  /** Requests that passed without the plugin (FAIL_OPEN). */
  readonly bypassed: number;
  readonly #wasm: string;
  readonly #own: string;

  constructor(lane: StatLane, name: string) {
    this.lane = lane;
    this.#wasm = name === '' ? 'wasm' : `wasm.${name}`;
    this.#own = `dragoman.plugin.${name === '' ? 'unnamed' : name}`;
    this.reload = lane.counter(`${this.#wasm}.vm_reload`);
    this.reloadBackoff = lane.counter(`${this.#wasm}.vm_reload_backoff`);
    this.reloadSuccess = lane.counter(`${this.#wasm}.vm_reload_success`);
    this.reloadFailure = lane.counter(`${this.#wasm}.vm_reload_failure`);
    this.instances = lane.gauge(`${this.#own}.instances`);
    this.backingOff = lane.gauge(`${this.#own}.backing_off`);
    this.memoryBytes = lane.gauge(`${this.#own}.memory_bytes`);
    this.bypassed = lane.counter(`${this.#own}.bypassed`);
  }

  failed(cause: FailureCause): void {
    this.lane.inc(this.lane.counter(`${this.#wasm}.failures.${cause}`));
  }

  logLineDropped(): void {
    this.lane.inc(this.lane.counter(`${this.#own}.log_lines_dropped`));
  }

  recycled(reason: RecycleReason): void {
    this.lane.inc(this.lane.counter(`${this.#own}.recycled.${reason}`));
  }
}
