// reduce_timeouts: how short the timers of clients become under pressure, between what is configured and their minimum.

import type { Bootstrap, ScaleTimersOverloadActionConfig } from '@dragoman/config';
import type { OverloadState } from './overload-state.ts';

type TimerName = 'HTTP_DOWNSTREAM_CONNECTION_IDLE' | 'HTTP_DOWNSTREAM_STREAM_IDLE';

interface Minimum {
  readonly timeoutMs: number;
  /** Share of the configured timeout, when there is no `timeoutMs`; -1. */
  readonly scale: number;
}

export class ReducedTimeouts {
  readonly #state: OverloadState;
  readonly #connectionIdle: Minimum | null;
  readonly #streamIdle: Minimum | null;

  constructor(state: OverloadState, bootstrap: Bootstrap | null) {
    this.#state = state;
    const action = bootstrap?.overloadManager?.actions.find(
      ({ name }) => name === 'envoy.overload_actions.reduce_timeouts',
    );
    const config = action?.typedConfig?.value as ScaleTimersOverloadActionConfig | undefined;
    this.#connectionIdle = minimumOf(config, 'HTTP_DOWNSTREAM_CONNECTION_IDLE');
    this.#streamIdle = minimumOf(config, 'HTTP_DOWNSTREAM_STREAM_IDLE');
  }

  connectionIdleMs(configuredMs: number): number {
    return this.#connectionIdle === null ? configuredMs : this.#reduced(configuredMs, this.#connectionIdle);
  }

  streamIdleMs(configuredMs: number): number {
    return this.#streamIdle === null ? configuredMs : this.#reduced(configuredMs, this.#streamIdle);
  }

  #reduced(configuredMs: number, minimum: Minimum): number {
    const reduction = this.#state.timeoutReduction;
    if (reduction === 0 || configuredMs === 0) return configuredMs;
    const leastMs = minimum.scale >= 0 ? configuredMs * minimum.scale : minimum.timeoutMs;
    if (leastMs >= configuredMs) return configuredMs;
    return Math.max(1, Math.round(configuredMs - (configuredMs - leastMs) * reduction));
  }
}

function minimumOf(config: ScaleTimersOverloadActionConfig | undefined, name: TimerName): Minimum | null {
  const factor = config?.timerScaleFactors.find(({ timer }) => timer === name);
  if (factor === undefined) return null;
  const scale = factor.minScale === undefined ? -1 : factor.minScale.value / 100;
  return { timeoutMs: factor.minTimeout ?? 0, scale };
}
