// Medians and ratios of samples that were taken in rounds; nothing here knows what was measured.

/** The middle of the values, NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The median over the rounds of `combine(value, reference)`, where both come from the same round, so that
 * a disturbance of the machine that lasts longer than a round cancels out. NaN where no round has both.
 */
export function medianWithin(
  values: readonly number[],
  references: readonly number[],
  combine: (value: number, reference: number) => number,
): number {
  const rounds = Math.min(values.length, references.length);
  const combined: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const result = combine(values[round]!, references[round]!);
    if (Number.isFinite(result)) combined.push(result);
  }
  return median(combined);
}

export function ratio(value: number, reference: number): number {
  return value / reference;
}

export function difference(value: number, reference: number): number {
  return value - reference;
}
