// The memory that plugins of all workers share: made with the first configuration that has plugins, kept for those after
// it, freed of the claims of a worker that has died. Main thread, but for arenaOwner().

import { DragomanError } from '@dragoman/base';
import { Arena, type ArenaMemory, SharedDataStore, SharedQueueStore } from '@dragoman/shm';
import { SHARED_STATE_ATTACHMENT } from './attachments.ts';
import type { SharedStateSettings } from './shared-state-settings.ts';

/** The main thread's id; it must not wait long for a lock, because only it can take one from a dead thread. */
export const MAIN_THREAD = 1;
export const MAIN_WAIT_LIMIT_MS = 50;

/** Id of a worker among the owners of the arena; a replaced worker has that of the one before. */
export function arenaOwner(workerIndex: number): number {
  return workerIndex + MAIN_THREAD + 1;
}

/** The memory of an earlier configuration, or new one; with what each of the VM ids may keep from now on. */
export function sharedStateMemory(
  previous: ReadonlyMap<string, unknown> | undefined,
  settings: SharedStateSettings,
  vmIds: Iterable<string>,
): ArenaMemory {
  const existing = previous?.get(SHARED_STATE_ATTACHMENT) as ArenaMemory | undefined;
  const memory = existing ?? Arena.create({ heapBytes: settings.heapBytes });
  const data = new SharedDataStore(new Arena(memory, MAIN_THREAD, MAIN_WAIT_LIMIT_MS));
  for (const vmId of vmIds) data.setPolicy(vmId, settings.policyOf(vmId));
  return memory;
}

/**
 * Takes from a worker that has died the lock it may have held, undoing what it left half done, and its queues. To be called
 * on the main thread before the worker is replaced. Nothing happens when there are no plugins.
 */
export function releaseWorkerSharedState(
  attachments: ReadonlyMap<string, unknown>,
  workerIndex: number,
): void {
  const memory = attachments.get(SHARED_STATE_ATTACHMENT) as ArenaMemory | undefined;
  if (memory === undefined) return;
  const arena = new Arena(memory, MAIN_THREAD, MAIN_WAIT_LIMIT_MS);
  arena.releaseOwner(arenaOwner(workerIndex));
  try {
    new SharedQueueStore(arena).releaseOwner(arenaOwner(workerIndex));
  } catch (error) {
    // Another worker has died with the lock and is the next to be released. The queues stay with this worker's successor,
    // who has the same id.
    if (!(error instanceof DragomanError) || error.code !== 'ERR_DRAGOMAN_SHM_LOCK_TIMEOUT') throw error;
  }
}
