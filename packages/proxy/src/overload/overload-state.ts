// What the overload manager has decided, as every worker sees it: the scale of each action between 0 and 1, in memory that
// the main thread writes. Reading it costs one load.

/** Attachment of a snapshot: the SharedArrayBuffer behind OverloadState. */
export const OVERLOAD_STATE_ATTACHMENT = 'overload.state';

/** Envoy's names; the position is the place in memory. */
export const OVERLOAD_ACTIONS = [
  'envoy.overload_actions.stop_accepting_requests',
  'envoy.overload_actions.disable_http_keepalive',
  'envoy.overload_actions.stop_accepting_connections',
  'envoy.overload_actions.reject_incoming_connections',
  'envoy.overload_actions.reduce_timeouts',
  'envoy.overload_actions.shrink_heap',
] as const;

const Place = { Requests: 0, Keepalive: 1, Accept: 2, Reject: 3, Timeouts: 4 } as const;

export class OverloadState {
  readonly #scales: Float64Array;
  readonly #random: () => number;

  constructor(memory: SharedArrayBuffer | null = null, random: () => number = Math.random) {
    this.#scales = memory === null ? new Float64Array(OVERLOAD_ACTIONS.length) : new Float64Array(memory);
    this.#random = random;
  }

  static createMemory(): SharedArrayBuffer {
    return new SharedArrayBuffer(OVERLOAD_ACTIONS.length * Float64Array.BYTES_PER_ELEMENT);
  }

  /** Main thread: sets the scale of an action. */
  set(action: (typeof OVERLOAD_ACTIONS)[number], scale: number): void {
    this.#scales[OVERLOAD_ACTIONS.indexOf(action)] = scale;
  }

  /** This request is to be answered with 503. */
  get refusesRequest(): boolean {
    return this.#happens(Place.Requests);
  }

  /** This response is to be the last one of its connection. */
  get endsKeepalive(): boolean {
    return this.#happens(Place.Keepalive);
  }

  /** New connections wait. */
  get pausesAccepting(): boolean {
    return this.#scales[Place.Accept] >= 1;
  }

  /** This new connection is to be closed. */
  get rejectsConnection(): boolean {
    return this.#happens(Place.Reject);
  }

  /** 0: timeouts are what they are configured to be; 1: they are at their minimum. */
  get timeoutReduction(): number {
    return this.#scales[Place.Timeouts];
  }

  /** An action that is half on hits every second time. */
  #happens(place: number): boolean {
    const scale = this.#scales[place];
    return scale > 0 && (scale >= 1 || this.#random() < scale);
  }
}
