// The one task that a pool thread ever runs: load the worker program and serve until the thread ends. Loading happens
// here and not as the thread's own start, because Piscina gives up on threads that die while they start.

import type { ServeTask } from './messages.ts';
import { WorkerChannel } from './worker-channel.ts';

/** Never settles; a program that cannot be loaded or started ends its thread, whose modules are spoilt by then. */
export default async function serve(task: ServeTask): Promise<never> {
  try {
    const program = await import(task.entry);
    await program.default(new WorkerChannel(task));
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
  return new Promise<never>(() => {});
}
