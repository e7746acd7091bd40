// Values that the runtime can override while the proxy runs: fractions and numbers, each with its configured default.

import type { RuntimeFractionalPercent, TypeFractionalPercent } from '@dragoman/config';

/** The runtime layers, merged. Read at request time, so that a change shows at once. */
export interface Runtime {
  /** The value of a key (number, string, boolean, or a FractionalPercent as JSON); undefined when it has none. */
  get(key: string): unknown;
}

/** A runtime without layers. */
export const emptyRuntime: Runtime = { get: () => undefined };

const DENOMINATORS: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** A share of requests, decided by a random number that belongs to the request. */
export class RuntimeFraction {
  readonly #numerator: number;
  readonly #denominator: number;
  readonly #runtimeKey: string;
  readonly #runtime: Runtime;

  constructor(fraction: TypeFractionalPercent | undefined, runtimeKey: string, runtime: Runtime) {
    this.#numerator = fraction?.numerator ?? 0;
    this.#denominator = DENOMINATORS[fraction?.denominator ?? 'HUNDRED'];
    this.#runtimeKey = runtimeKey;
    this.#runtime = runtime;
  }

  /**
   * `random` is a whole number of at least 2^24 values, the same for all questions about one request. `runtime` is asked
   * in place of the one given to the constructor.
   */
  includes(random: number, runtime: Runtime = this.#runtime): boolean {
    if (this.#runtimeKey !== '') {
      const override = runtime.get(this.#runtimeKey);
      if (override !== undefined)
        return includesOverride(override, random, this.#numerator, this.#denominator);
    }
    return random % this.#denominator < this.#numerator;
  }
}

/** A plain number in the runtime means percent; an object is a FractionalPercent. */
function includesOverride(
  override: unknown,
  random: number,
  numerator: number,
  denominator: number,
): boolean {
  if (typeof override === 'object' && override !== null) {
    const fraction = override as { numerator?: unknown; denominator?: unknown };
    return random % (DENOMINATORS[String(fraction.denominator)] ?? 100) < Number(fraction.numerator ?? 0);
  }
  const percent = Number(override);
  return Number.isNaN(percent) ? random % denominator < numerator : random % 100 < percent;
}

/** A fraction that is always taken when nothing is configured. */
export function compileRuntimeFraction(
  config: RuntimeFractionalPercent | undefined,
  runtime: Runtime,
): RuntimeFraction | null {
  return config === undefined ? null : new RuntimeFraction(config.defaultValue, config.runtimeKey, runtime);
}

/** A number the runtime can override. */
export function runtimeNumber(runtime: Runtime, key: string, defaultValue: number): number {
  if (key === '') return defaultValue;
  const override = runtime.get(key);
  if (override === undefined) return defaultValue;
  const number = Number(override);
  return Number.isNaN(number) ? defaultValue : number;
}
