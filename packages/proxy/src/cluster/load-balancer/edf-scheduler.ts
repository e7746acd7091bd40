// Earliest-deadline-first scheduling: items come up in proportion to their weights, evenly spread. Used for
// weighted hosts and weighted localities.

/** Keeps deadlines finite for items whose weight is about nothing. */
const MIN_WEIGHT = 1e-9;

interface Entry<T> {
  readonly item: T;
  deadline: number;
  /** Breaks ties: first come, first served. */
  order: number;
}

/** A heap of items by deadline; picking an item pushes its deadline back by 1/weight. */
export class EdfScheduler<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #weightOf: (item: T) => number;
  #order = 0;

  /**
   * `weightOf` gives the current positive weight of an item and is asked at each pick. Items start at a random
   * point of their period, so that many proxies (and workers) do not all begin with the same item.
   */
  constructor(items: readonly T[], weightOf: (item: T) => number, random: () => number) {
    this.#weightOf = weightOf;
    for (const item of items) {
      const weight = Math.max(weightOf(item), MIN_WEIGHT);
      this.#heap.push({ item, deadline: (1 - random()) / weight, order: this.#order++ });
    }
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** The next item, or null when there are none. */
  pick(): T | null {
    const first = this.#heap[0];
    if (first === undefined) return null;
    first.deadline += 1 / Math.max(this.#weightOf(first.item), MIN_WEIGHT);
    first.order = this.#order++;
    this.#sink(0);
    return first.item;
  }

  #sink(index: number): void {
    const heap = this.#heap;
    const entry = heap[index]!;
    const length = heap.length;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, entry)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = entry;
  }
}

function before<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
