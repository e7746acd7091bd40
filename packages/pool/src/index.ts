// Entry of @dragoman/pool.
export type { RequestHandler, WorkerChannel } from './worker-channel.ts';
export { type PoolOptions, WorkerPool } from './worker-pool.ts';
