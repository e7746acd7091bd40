// Entry of @dragoman/pool.
export { VmPool, type VmPoolOptions } from './vm-pool.ts';
export type { RequestHandler, WorkerChannel } from './worker-channel.ts';
export { type PoolOptions, WorkerPool } from './worker-pool.ts';
