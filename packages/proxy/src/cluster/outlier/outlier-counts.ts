// The shared memory behind outlier detection of one host: failures in a row over all workers, and per worker how
// many requests there were and how many went well. Written by workers, read by the main thread.

/** Failures in a row, over all workers (changed with Atomics, and only when something fails). */
export const Streak = { RESPONSES_5XX: 0, GATEWAY_FAILURES: 1, LOCAL_ORIGIN_FAILURES: 2 } as const;
export type Streak = (typeof Streak)[keyof typeof Streak];

/** Running totals of one worker, never reset; the main thread remembers where the last interval ended. */
export const Total = { EXTERNAL: 0, EXTERNAL_SUCCESS: 1, LOCAL: 2, LOCAL_SUCCESS: 3 } as const;
export type Total = (typeof Total)[keyof typeof Total];

/** One cache line for the streaks and one per worker, so that workers do not slow each other down. */
const ROW_INTS = 16;

export function createOutlierCounts(concurrency: number): SharedArrayBuffer {
  return new SharedArrayBuffer((Math.max(1, concurrency) + 1) * ROW_INTS * Int32Array.BYTES_PER_ELEMENT);
}

/** Where a worker's totals begin. */
export function rowOf(workerIndex: number): number {
  return (workerIndex + 1) * ROW_INTS;
}

/** A total over all workers, modulo 2 ** 32. */
export function sumOf(counts: Int32Array, total: Total): number {
  let sum = 0;
  for (let row = ROW_INTS; row < counts.length; row += ROW_INTS) sum = (sum + counts[row + total]!) | 0;
  return sum;
}

/** Forgets the failures in a row. */
export function resetStreaks(counts: Int32Array): void {
  for (const streak of Object.values(Streak)) Atomics.store(counts, streak, 0);
}
