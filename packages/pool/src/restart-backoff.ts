// How long to wait before a dead worker's place is filled again: at once for an accident, longer and longer for a
// worker that keeps dying young.

/** A worker that has lived this long is not part of a crash loop. */
const SETTLED_MS = 30_000;
const FIRST_DELAY_MS = 250;
const DELAY_MAX_MS = 10_000;

/** The wait for one worker index. */
export class RestartBackoff {
  #youngDeaths = 0;

  /** Milliseconds to wait after a death at the age of `livedMs`. */
  delayMs(livedMs: number): number {
    this.#youngDeaths = livedMs >= SETTLED_MS ? 1 : this.#youngDeaths + 1;
    if (this.#youngDeaths === 1) return 0;
    return Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** (this.#youngDeaths - 2));
  }
}
