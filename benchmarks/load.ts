// Puts load on a port and reports what came back: with wrk where it is installed, else with generator.ts.
import path from 'node:path';
import type { Options } from './options.ts';
import { findExecutable, startProcess } from './processes.ts';
import { requestHeaders } from './workload.ts';

export interface LoadResult {
  requests: number;
  /** Failed connections, reads and writes, time-outs, and answers other than 200. */
  errors: number;
  seconds: number;
  p50Us: number;
  p99Us: number;
}

export interface LoadGenerator {
  readonly name: string;
  run(port: number, connections: number, seconds: number): Promise<LoadResult>;
}

/** @param cores the taskset list of the cores that the generator may use. */
export function createLoadGenerator(choice: Options['generator'], cores: string | null): LoadGenerator {
  const wrk = choice === 'own' ? null : findExecutable('wrk');
  if (wrk === null && choice === 'wrk') throw new Error('--generator wrk: wrk is not installed');
  const folder = import.meta.dirname;
  const headers = requestHeaders.flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  return {
    name: wrk === null ? 'own generator' : 'wrk',
    run(port, connections, seconds) {
      const command =
        wrk === null
          ? [process.execPath, path.join(folder, 'generator.ts'), `${port}`, `${connections}`, `${seconds}`]
          : [
              ...[wrk, '-t1', `-c${connections}`, `-d${seconds}s`, '-s', path.join(folder, 'wrk-report.lua')],
              ...[...headers, `http://127.0.0.1:${port}/`],
            ];
      return runToResult(command, cores, seconds);
    },
  };
}

async function runToResult(command: string[], cores: string | null, seconds: number): Promise<LoadResult> {
  const child = startProcess('the load generator', command, cores);
  const deadlineMs = performance.now() + seconds * 1000 + 20_000;
  while (!child.exited()) {
    if (performance.now() > deadlineMs) await child.stop();
    else await new Promise(resolve => setTimeout(resolve, 5));
  }
  const line = /^RESULT (.*)$/m.exec(child.output());
  if (line === null) throw new Error(`the load generator gave no result: ${child.output().slice(-300)}`);
  return JSON.parse(line[1]!) as LoadResult;
}
