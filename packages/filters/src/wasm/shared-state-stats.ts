// How much plugins keep in shared data and queues, by VM id, as gauges of the main thread.

import { DragomanError } from '@dragoman/base';
import { Arena, type ArenaMemory, SharedDataStore, type StatLane } from '@dragoman/shm';
import { SHARED_STATE_ATTACHMENT } from './attachments.ts';
import { MAIN_THREAD, MAIN_WAIT_LIMIT_MS } from './shared-state.ts';

const PREFIX = 'dragoman.shared_state.';

export class SharedStateStats {
  readonly #lane: StatLane;
  readonly #data: SharedDataStore | null;

  /** Shows nothing where the attachments have no shared state. */
  constructor(lane: StatLane, attachments: ReadonlyMap<string, unknown>) {
    this.#lane = lane;
    const memory = attachments.get(SHARED_STATE_ATTACHMENT) as ArenaMemory | undefined;
    this.#data =
      memory === undefined ? null : new SharedDataStore(new Arena(memory, MAIN_THREAD, MAIN_WAIT_LIMIT_MS));
  }

  refresh(): void {
    if (this.#data === null) return;
    try {
      for (const { name, usedBytes, limitBytes } of this.#data.namespaces()) {
        const prefix = `${PREFIX}${name === '' ? 'unnamed' : name}`;
        this.#lane.gaugeSet(this.#lane.gauge(`${prefix}.used_bytes`), usedBytes);
        this.#lane.gaugeSet(this.#lane.gauge(`${prefix}.limit_bytes`), limitBytes);
      }
    } catch (error) {
      // A worker that is about to be found dead has the lock: the next look will tell.
      if (!(error instanceof DragomanError) || error.code !== 'ERR_DRAGOMAN_SHM_LOCK_TIMEOUT') throw error;
    }
  }
}
