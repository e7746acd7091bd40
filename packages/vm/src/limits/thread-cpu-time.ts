// How long a thread has had a processor, as Linux tells it: the watchdog asks about threads other than its own, which Node
// has no call for. Elsewhere nobody knows, and time on the clock has to do.

import { readFileSync, readlinkSync } from 'node:fs';

/** The system's id of the calling thread; 0 where there is none to be had. */
export function nativeThreadId(): number {
  try {
    // "1234/task/1240"
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0;
  } catch {
    return 0;
  }
}

/** CPU time of a thread of this process in milliseconds; null: not known. Takes some 20 microseconds. */
export function threadCpuTimeMs(threadId: number): number | null {
  if (threadId === 0) return null;
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${threadId}/schedstat`, 'latin1').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    return null;
  }
}
