// Describes the machine and the programs of a run, so that a result can be judged later.
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { taskset } from './processes.ts';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  kernel: string;
  node: string;
  pinned: boolean;
  /** Load average of the last minute when the run began: a quiet machine has less than 0.3. */
  loadAverage: number;
}

export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: process.version,
    pinned: taskset !== null && cpus.length > 1,
    loadAverage: os.loadavg()[0] ?? Number.NaN,
  };
}

export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGib, kernel, node, pinned, loadAverage } = machine;
  const place = pinned ? 'proxies on core 0, load and upstream on core 1' : 'not pinned';
  return `${cpu}, ${cores} cores, ${memoryGib} GiB, Linux ${kernel}, Node ${node}; ${place}; load average ${loadAverage.toFixed(2)}`;
}

/** The first line that the program says about its version, for the result file. */
export function versionOf(executable: string): string {
  for (const flag of ['--version', '-v']) {
    try {
      const text = execFileSync('sh', ['-c', `"${executable}" ${flag} 2>&1`], { timeout: 5000 }).toString();
      const line = text.split('\n').find(candidate => /\d+\.\d+/.test(candidate));
      if (line !== undefined) return line.trim();
    } catch {
      // does not know this flag
    }
  }
  return 'unknown';
}
