// Deadlines for the hot path: timers of one duration stand in one first-in-first-out list, so starting and
// stopping one is a few stores; one system timer per thread waits for the earliest list head.
// Runs on every thread that has streams; not for periodic work (use setInterval for that).

import type { Clock } from './clock.ts';

/** A restartable deadline. Made once per owning object, started and stopped per request. */
export class Timer {
  readonly onExpire: () => void;
  deadlineMs = 0;
  list: TimerList | null = null;
  previous: Timer | null = null;
  next: Timer | null = null;

  constructor(onExpire: () => void) {
    this.onExpire = onExpire;
  }

  get running(): boolean {
    return this.list !== null;
  }

  stop(): void {
    if (this.list !== null) this.list.remove(this);
  }
}

class TimerList {
  readonly durationMs: number;
  head: Timer | null = null;
  tail: Timer | null = null;

  constructor(durationMs: number) {
    this.durationMs = durationMs;
  }

  append(timer: Timer): void {
    timer.list = this;
    timer.previous = this.tail;
    timer.next = null;
    if (this.tail === null) this.head = timer;
    else this.tail.next = timer;
    this.tail = timer;
  }

  remove(timer: Timer): void {
    const { previous, next } = timer;
    if (previous === null) this.head = next;
    else previous.next = next;
    if (next === null) this.tail = previous;
    else next.previous = previous;
    timer.list = timer.previous = timer.next = null;
  }
}

/** All deadlines of one thread. */
export class Timers {
  readonly clock: Clock;
  #lists = new Map<number, TimerList>();
  /** Lists by recent use: almost every start is for the duration started last. */
  #recent: TimerList = new TimerList(-1);
  #wakeMs = Number.POSITIVE_INFINITY;
  #cancelWake: () => void = () => {};

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** (Re)starts `timer` to expire `durationMs` after `nowMs` (the clock's monotonic time, read by the caller). */
  start(timer: Timer, durationMs: number, nowMs: number = this.clock.nowMs()): void {
    if (timer.list !== null) timer.list.remove(timer);
    const list = this.#recent.durationMs === durationMs ? this.#recent : this.#listFor(durationMs);
    timer.deadlineMs = nowMs + durationMs;
    list.append(timer);
    if (timer.deadlineMs < this.#wakeMs) this.#armAt(timer.deadlineMs, nowMs);
  }

  /** Number of running timers; for tests and leak checks. */
  get size(): number {
    let count = 0;
    for (const list of this.#lists.values()) for (let t = list.head; t !== null; t = t.next) count++;
    return count;
  }

  #listFor(durationMs: number): TimerList {
    let list = this.#lists.get(durationMs);
    if (list === undefined) {
      this.#dropEmptyLists();
      list = new TimerList(durationMs);
      this.#lists.set(durationMs, list);
    }
    this.#recent = list;
    return list;
  }

  /** Clients can choose durations (x-envoy-upstream-rq-timeout-ms), so lists nobody uses must not pile up. */
  #dropEmptyLists(): void {
    if (this.#lists.size < 64) return;
    for (const [duration, list] of this.#lists) if (list.head === null) this.#lists.delete(duration);
    this.#recent = new TimerList(-1);
  }

  #armAt(deadlineMs: number, nowMs: number): void {
    this.#cancelWake();
    this.#wakeMs = deadlineMs;
    this.#cancelWake = this.clock.after(Math.max(1, Math.ceil(deadlineMs - nowMs)), this.#wake);
  }

  readonly #wake = (): void => {
    this.#wakeMs = Number.POSITIVE_INFINITY;
    this.#cancelWake = () => {};
    const nowMs = this.clock.nowMs();
    for (const list of this.#lists.values()) {
      while (list.head !== null && list.head.deadlineMs <= nowMs) {
        const timer = list.head;
        list.remove(timer);
        timer.onExpire();
      }
    }
    let earliest = Number.POSITIVE_INFINITY;
    for (const list of this.#lists.values())
      if (list.head !== null && list.head.deadlineMs < earliest) earliest = list.head.deadlineMs;
    if (earliest < this.#wakeMs) this.#armAt(earliest, nowMs);
  };
}
