// The program of the self-test's scratch thread: runs into an endless loop and tells whether it came out by being killed.

import { workerData } from 'node:worker_threads';
import { Guard } from './guard.ts';
import { limitImports } from './imposed-limits.ts';
import { type SelfTestData, STOPPED_EXIT_CODE } from './self-test.ts';

const { module, memory, deadlineMs } = workerData as SelfTestData;
const guard = new Guard(memory);
const { module: name, imports } = limitImports({ memories: [] }, [], guard);
const instance = new WebAssembly.Instance(module, { [name]: imports });
let trapped = false;
guard.enter(deadlineMs);
try {
  (instance.exports.spin as () => void)();
} catch (error) {
  trapped = error instanceof WebAssembly.RuntimeError;
}
if (guard.leave() && trapped) process.exit(STOPPED_EXIT_CODE);
