// The worker program of the pool's tests: answers, fails, dies and hangs on request.

import type { WorkerChannel } from '../worker-channel.ts';

export interface EchoData {
  readonly memory: SharedArrayBuffer;
}

export default function serve(channel: WorkerChannel<EchoData>): void {
  const counter = new Int32Array(channel.data.memory);
  const { workerIndex, generation } = channel;
  channel.serve({
    echo: (payload: unknown) => payload,
    who: () => ({ workerIndex, generation }),
    count: () => Atomics.add(counter, workerIndex, 1) + 1,
    fail: () => {
      throw Object.assign(new Error('listener_0: address in use'), { code: 'ERR_DRAGOMAN_LISTENER_BIND' });
    },
    die: () => {
      setImmediate(() => {
        throw new Error('died as asked');
      });
    },
    hang: () => {
      channel.emit('hanging');
      for (;;);
    },
    tell: (text: string) => channel.emit('told', text),
    timer: () => new Promise(resolve => setTimeout(resolve, 1, 'fired')),
  });
}
