// The program of a plugin pool's thread: one plugin, and the exchanges that the main thread has placed here.

import { Arena, type ArenaMemory } from '@dragoman/shm';
import {
  ArenaSharedData,
  ArenaSharedQueues,
  type Exchange,
  type ExchangeOptions,
  Guard,
  type Passage,
  type Piece,
  Plugin,
  type PluginModule,
  type PluginSettings,
} from '@dragoman/vm';
import { postable } from './posted-bytes.ts';
import type { WorkerChannel } from './worker-channel.ts';

/** What the main thread gives each thread. */
export interface PluginThreadData {
  readonly module: PluginModule;
  readonly settings: PluginSettings;
  /** Watched by the main thread's watchdog. */
  readonly guardMemory: WebAssembly.Memory;
  /** Shared data and queues of all threads. */
  readonly sharedState: ArenaMemory;
  readonly arenaOwner: number;
}

/** A piece of an exchange; the first one announces it. */
export interface PassRequest {
  readonly exchange: number;
  readonly options: ExchangeOptions;
  readonly piece: Piece;
}

export default function serve(channel: WorkerChannel<PluginThreadData>): void {
  const { arenaOwner, guardMemory, module, settings, sharedState } = channel.data;
  const exchanges = new Map<number, Exchange>();
  let plugin: Plugin | null = null;
  channel.serve({
    async start(): Promise<void> {
      const arena = new Arena(sharedState, arenaOwner);
      plugin = await Plugin.load(module, {
        ...settings,
        log: (level, line) => channel.emit('log', [level, line]),
        onFailure: failure => channel.emit('failure', failure),
        host: {
          guard: new Guard(guardMemory),
          sharedData: new ArenaSharedData(arena),
          sharedQueues: new ArenaSharedQueues(arena),
        },
      });
    },
    async pass({ exchange: id, options, piece }: PassRequest): Promise<Passage> {
      let exchange = exchanges.get(id);
      if (exchange === undefined) exchanges.set(id, (exchange = plugin!.exchange(options)));
      const passage = await exchange.pass(piece);
      if (passage.outcome === 'continue') return postable(passage);
      return passage.outcome === 'answer' ? { ...passage, answer: postable(passage.answer) } : passage;
    },
    end(id: number): void {
      exchanges.get(id)?.end();
      exchanges.delete(id);
    },
    ping: () => {},
    metrics: () => plugin?.metrics ?? [],
    restarts: () => plugin?.restarts ?? 0,
    close: () => plugin?.close(),
  });
}
